"""The examples are what they promise to be: short, public API only, each in the documentation and run by CI."""

import ast
import re
from pathlib import Path

import pytest

import langfield

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
MODULES = {"dataclasses", "json", "pathlib", "sys", "langfield", "numpy", "PIL", "torch"}

each = pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)


def usage(path: Path) -> str:
    """The arguments that the docstring names."""
    line = ast.get_docstring(ast.parse(path.read_text())) or ""
    match = re.fullmatch(rf"[^\n]+ Usage: python examples/{path.name} ([^\n]+)", line)
    assert match, f"{path.name} has no docstring of one line with its usage"
    return match[1]


@each
def test_it_is_short(path: Path):
    assert len(path.read_text().splitlines()) <= 40
    assert usage(path)


@each
def test_it_uses_public_names_only(path: Path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            assert {alias.name for alias in node.names} <= MODULES
        elif isinstance(node, ast.ImportFrom):
            assert node.module in MODULES - {"langfield"}
        elif isinstance(node, ast.Attribute):
            assert not node.attr.startswith("_")
            if isinstance(node.value, ast.Name) and node.value.id == "langfield":
                assert node.attr in langfield.__all__


@each
def test_the_documentation_says_how_to_call_it(path: Path):
    page = (ROOT / "docs" / "examples.md").read_text()
    assert f"| `{path.name}` {usage(path).replace('...', '…')} |" in page


@each
def test_ci_runs_it(path: Path):
    assert f'example("{path.name}"' in (ROOT / ".ci" / "run_examples.py").read_text()
