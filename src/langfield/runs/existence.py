"""Whether a folder holds a run. Importing this takes no torch: who mistyped a path is told at once."""

from pathlib import Path

from langfield.core.errors import RunError

INFO = "run.json"
PREVIOUS = "previous"


def has_run(path: str | Path) -> bool:
    """Whether `path` holds a run (perhaps a torn one)."""
    path = Path(path)
    return (path / INFO).is_file() or (path / PREVIOUS / INFO).is_file()


def check_has_run(path: str | Path) -> None:
    """Raise RunError if `path` holds no run."""
    if not has_run(path):
        found = "is no folder" if not Path(path).is_dir() else f"has no {INFO}"
        raise RunError(f"{found}; a run directory is needed, as `langfield train` makes it", path)
