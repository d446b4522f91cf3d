"""Who may import whom: the table of the design. Imports inside functions count too."""

import ast
from collections.abc import Iterator
from pathlib import Path

PACKAGE = "langfield"
SOURCE = Path(__file__).parents[1] / "src" / PACKAGE
ALLOWED: dict[str, set[str]] = {
    "core": set(),
    "ops": {"core"},
    "data": {"core"},
    "encoders": {"core", "ops"},
    "features": {"core", "data", "encoders"},
    "groups": {"core", "ops"},
    "fields": {"core", "ops"},
    "renderers": {"core", "ops", "fields"},
    "models": {"core", "ops", "features", "fields", "renderers"},
    "runs": {"core", "models"},
    "training": {"core", "data", "features", "models", "runs"},
    "query": {"core", "ops", "groups", "encoders", "models", "runs"},
    "evaluation": {"core", "data", "query"},
    "reports": {"core", "evaluation", "query"},
    "export": {"core", "query", "runs"},
    "viewer": {"core", "query", "runs"},
}
ALLOWED["pipelines"] = {*ALLOWED} - {"viewer"}
EXEMPT = {"cli", "__init__", "__main__"}  # the command line and the public API know everything

# Above the models nobody asks which kind one is; their registry and presets know.
FAMILIES = {"nerf", "gaussians", "voxels", "conversion"}
ABOVE_MODELS = {"training", "query", "evaluation", "reports", "export", "viewer", "pipelines", "cli"}


def imported_names(path: Path, source: str) -> Iterator[str]:
    """The full dotted names of all that a module imports, relative imports resolved."""
    package = (PACKAGE, *path.relative_to(SOURCE).parts[:-1])
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            stem = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{stem}.{alias.name}" for alias in node.names)


def imported_layers(path: Path, source: str) -> set[str]:
    """The layers that a module imports; of the package itself its name, that is `__init__`."""
    parts = (name.split(".") for name in imported_names(path, source))
    return {("__init__" if len(part) < 2 else part[1]) for part in parts if part[0] == PACKAGE}


def imported_families(path: Path, source: str) -> set[str]:
    """The families of models whose modules a module imports."""
    parts = (name.split(".") for name in imported_names(path, source))
    return {part[2] for part in parts if part[:2] == [PACKAGE, "models"] and len(part) > 2 and part[2] in FAMILIES}


def layer_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def test_imports_follow_the_layer_order():
    bad = []
    for path in sorted(SOURCE.rglob("*.py")):
        layer = layer_of(path)
        if layer in EXEMPT:
            continue
        if layer not in ALLOWED:
            bad.append(f"{path.relative_to(SOURCE)} is in no layer of the table")
            continue
        extra = imported_layers(path, path.read_text()) - ALLOWED[layer] - {layer}
        bad += [f"{path.relative_to(SOURCE)} imports {name}" for name in sorted(extra)]
    assert not bad, "\n".join(bad)


def test_nobody_above_the_models_imports_a_family_of_them():
    bad = []
    for path in sorted(SOURCE.rglob("*.py")):
        if layer_of(path) in ABOVE_MODELS:
            families = imported_families(path, path.read_text())
            bad += [f"{path.relative_to(SOURCE)} imports models.{family}" for family in sorted(families)]
    assert not bad, "\n".join(bad)


def test_an_upward_import_is_seen_even_inside_a_function():
    path = SOURCE / "core" / "cameras.py"
    assert imported_layers(path, "def f():\n    from ..query import relevancy") == {"query"}
    assert imported_layers(path, "import langfield.cli.main") == {"cli"}
    assert imported_layers(path, "from langfield import train") == {"train"}  # not in the table, so never allowed
    assert imported_layers(path, "import langfield") == {"__init__"}
    assert imported_layers(path, "import numpy.linalg") == set()


def test_a_family_is_seen_however_it_is_imported():
    path = SOURCE / "query" / "session.py"
    for statement in (
        "from langfield.models.gaussians.splat import Splat",
        "from langfield.models.gaussians import splat",
        "from langfield.models import gaussians",
        "import langfield.models.gaussians.splat",
        "def f():\n    from ..models.gaussians.splat import Splat",
        "if TYPE_CHECKING:\n    from ..models import gaussians",
    ):
        assert imported_families(path, statement) == {"gaussians"}, statement
    assert imported_families(path, "from langfield.models.registry import create_method") == set()
    assert imported_families(path, "from langfield.models import base, presets") == set()
