"""`langfield methods`: what can be trained."""

from dataclasses import dataclass
from typing import Any

from langfield.cli.console import Console
from langfield.cli.options import OutputOptions


@dataclass(frozen=True, kw_only=True)
class MethodsCommand(OutputOptions):
    """List the models and their presets."""

    def run(self, console: Console) -> dict[str, Any]:
        from langfield.models.presets import PRESETS
        from langfield.models.registry import MODELS

        presets = [
            {"preset": name, "method": preset.config.model, "summary": preset.summary, "steps": preset.steps}
            for name, preset in PRESETS.items()
        ]
        console.table(
            ("preset", "model", "steps", "what it is"),
            [(p["preset"], p["method"], f"{p['steps']:,}", p["summary"]) for p in presets],
        )
        return {"methods": sorted(MODELS), "presets": presets}
