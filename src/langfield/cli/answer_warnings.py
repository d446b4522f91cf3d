"""What must be said with every answer of a run whose photos cannot tell where things are."""

from typing import TYPE_CHECKING

from langfield.cli.console import Console

if TYPE_CHECKING:
    from langfield.query.session import Session


def said_warnings(session: "Session", console: Console) -> list[str]:
    """The run's warnings about its positions and sizes, each said in a line; for the key `warnings` of `--json`."""
    warnings = list(session.info.warnings)
    for warning in warnings:
        console.say(f"warning: {warning}")
    return warnings
