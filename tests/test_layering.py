"""The table of DESIGN: who may import whom. Imports inside functions count too."""

import ast
from pathlib import Path

PACKAGE = "langfield"
SOURCE = Path(__file__).parents[1] / "src" / PACKAGE
ALLOWED: dict[str, set[str]] = {
    "core": set(),
    "ops": {"core"},
    "data": {"core"},
    "encoders": {"core"},
    "features": {"core", "data", "encoders"},
    "fields": {"core", "ops"},
    "renderers": {"core", "ops", "fields"},
    "methods": {"core", "ops", "features", "fields", "renderers"},
    "runs": {"core", "methods"},
    "training": {"core", "data", "features", "methods", "runs"},
    "query": {"core", "ops", "encoders", "renderers", "methods", "runs"},
    "evaluation": {"core", "data", "query"},
    "baking": {"core", "ops", "features", "fields", "renderers", "methods", "runs", "query"},
    "viewer": {"core", "query"},
    "export": {"core", "query", "runs"},  # runs: files that are whole or not there (runs.atomic)
}
FREE = {"cli", "__init__", "api", "demo", "making", "stages"}  # the command line and the public API know everything


def imported_layers(path: Path, source: str) -> set[str]:
    package = (PACKAGE, *path.relative_to(SOURCE).parts[:-1])
    layers: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            stem = ".".join([*base, *([node.module] if node.module else [])])
            names = [f"{stem}.{alias.name}" for alias in node.names]
        else:
            continue
        layers |= {name.split(".")[1] for name in names if name.startswith(PACKAGE + ".")}
    return layers & (ALLOWED.keys() | FREE)


def test_imports_follow_the_layer_order():
    bad = []
    for path in SOURCE.rglob("*.py"):
        layer = path.relative_to(SOURCE).parts[0].removesuffix(".py")
        if layer in FREE:
            continue
        assert layer in ALLOWED, f"{path} is in no layer of the table"
        extra = imported_layers(path, path.read_text()) - ALLOWED[layer] - {layer}
        bad += [f"{path.relative_to(SOURCE)} imports {name}" for name in sorted(extra)]
    assert not bad, "\n".join(bad)


def test_an_upward_import_is_seen_even_inside_a_function():
    path = SOURCE / "core" / "cameras.py"
    assert imported_layers(path, "def f():\n    from ..query import relevancy") == {"query"}
    assert imported_layers(path, "import langfield.cli.main") == {"cli"}
