"""The public API: every name is there, imports nothing heavy until it is used, and gives nothing that is not public."""

import dataclasses
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_type_hints

import langfield

PUBLIC = {name: getattr(langfield, name) for name in langfield.__all__}


def test_every_name_is_there_and_listed_in_order():
    assert sorted(langfield.__all__) == langfield.__all__
    assert all(value is not None for value in PUBLIC.values())


def test_the_page_about_python_names_each_of_them_once():
    page = (Path(__file__).parents[1] / "docs/python.md").read_text(encoding="utf-8")
    table = page.split("## What is public")[1].split("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ")]
    assert sorted(re.findall(r"`(\w+)`", "\n".join(rows))) == langfield.__all__


def test_a_name_that_is_not_public_is_an_attribute_error():
    assert not hasattr(langfield, "Nothing")


def test_importing_the_package_loads_no_torch():
    code = "import sys, langfield; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def classes(hint: Any) -> Iterator[type]:
    """langfield's own classes in an annotation."""
    if inspect.isclass(hint) and (hint.__module__ or "").split(".")[0] == "langfield":
        yield hint
    for argument in get_args(hint):
        yield from classes(argument)


def given(value: Any) -> Iterator[tuple[str, Any]]:
    """What a public function returns, what a public class's methods return, and what a dataclass holds."""
    if inspect.isfunction(value):
        yield value.__qualname__, get_type_hints(value).get("return")
    if inspect.isclass(value):
        for name, member in inspect.getmembers(value):
            function = member.fget if isinstance(member, property) else member
            if not name.startswith("_") and inspect.isroutine(function) and hasattr(function, "__annotations__"):
                yield f"{value.__qualname__}.{name}", get_type_hints(function).get("return")
        if dataclasses.is_dataclass(value):
            hints = get_type_hints(value)
            yield from (
                (f"{value.__qualname__}.{field.name}", hints[field.name]) for field in dataclasses.fields(value)
            )


def test_what_sessions_and_functions_give_is_public_too():
    asked = [langfield.Session, langfield.Answer, langfield.Hit, langfield.ViewAnswers, langfield.SceneObject]
    asked += [value for value in PUBLIC.values() if inspect.isfunction(value)]
    public = set(PUBLIC.values())
    hidden = {
        f"{name} gives {kind.__module__}.{kind.__qualname__}"
        for value in asked
        for name, hint in given(value)
        for kind in classes(hint)
        if kind not in public
    }
    assert not hidden, "\n".join(sorted(hidden))
