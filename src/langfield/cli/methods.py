"""`langfield methods`: what can be trained."""

from dataclasses import dataclass
from typing import Any

from langfield.cli.console import Console
from langfield.cli.options import OutputOptions
from langfield.models.preset_list import LISTED


@dataclass(frozen=True, kw_only=True)
class MethodsCommand(OutputOptions):
    """List the models and their presets."""

    def run(self, console: Console) -> dict[str, Any]:
        presets = [
            {"preset": name, "method": listed.model, "summary": listed.summary, "steps": listed.steps}
            for name, listed in LISTED.items()
        ]
        console.table(
            ("preset", "model", "steps", "what it is"),
            [(p["preset"], p["method"], f"{p['steps']:,}", p["summary"]) for p in presets],
        )
        return {"methods": sorted({listed.model for listed in LISTED.values()}), "presets": presets}
