"""Two distributions: langfield's wheel is without the generator, the generator's holds it whole; versions agree."""

import ast
import re
import tomllib
import zipfile
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).parents[2]
GENERATOR = ROOT / "packages" / "synthetic"


def project(folder: Path) -> dict:
    return tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def imported(folder: Path) -> set[str]:
    """Every module that Python files below `folder` import, inside functions too."""
    names: set[str] = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path}: a relative import"
                names.add(str(node.module))
    return names


@pytest.mark.parametrize(("folder", "package"), [(ROOT, "langfield"), (GENERATOR, "langfield_synthetic")])
def test_a_wheel_holds_its_own_package_and_no_other(tmp_path, folder, package):
    wheel = next(WheelBuilder(str(folder)).build(directory=str(tmp_path), versions=["standard"]))
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.split("/")[0] for name in names} == {package, f"{package}-{project(folder)['version']}.dist-info"}
    source = folder / "src"
    modules = {path.relative_to(source).as_posix() for path in (source / package).rglob("*.py")}
    assert {name for name in names if name.endswith(".py")} == modules
    assert any(name.endswith("entry_points.txt") for name in names)
    assert any(name.endswith("LICENSE") for name in names)


def test_both_have_one_version_and_need_each_other():
    ours, generator = project(ROOT), project(GENERATOR)
    assert generator["version"] == ours["version"]
    assert f"langfield=={ours['version']}" in generator["dependencies"]
    assert ours["optional-dependencies"]["synthetic"] == [generator["name"]]


def test_the_locked_versions_suffice_for_the_generator():
    """`make setup` installs it without its dependencies: they must be among those of langfield[dev]."""
    ours, generator = project(ROOT), project(GENERATOR)
    available = {*ours["dependencies"], *ours["optional-dependencies"]["dev"]}
    assert {needed for needed in generator["dependencies"] if not needed.startswith("langfield")} <= available
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert re.search(r"^mitsuba==", lock, re.MULTILINE)
    assert generator["name"] not in lock


def test_the_generator_imports_only_the_core_of_langfield():
    used = {name for name in imported(GENERATOR / "src") if name.split(".")[0] == "langfield"}
    assert used == {"langfield.core.cameras", "langfield.core.choices", "langfield.core.errors"}


def test_langfield_does_not_import_the_generator():
    assert not [name for name in imported(ROOT / "src") if name.split(".")[0] == "langfield_synthetic"]
