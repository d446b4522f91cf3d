"""`langfield eval`: how good a run is on its scene's test views."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from langfield.cli.console import Console
from langfield.cli.options import Flag, OptionalInt, OptionalPath, RunOptions


@dataclass(frozen=True, kw_only=True)
class Eval(RunOptions):
    """Measure a run on its scene's test views: pictures, localisation, segmentation and presence."""

    scene: OptionalPath = None
    """The scene it was trained on. Where it was when trained, if not given."""

    allow_outside: Flag = False
    """Also read photos that lie outside the scene's folder."""

    queries: OptionalPath = None
    """Labels: a queries.json, or a folder of LERF-OVS files. The scene's queries.json, if not given and there."""

    protocol: Literal["langfield", "lerf"] = "langfield"
    """langfield: this package's answers. lerf: the one pixel of highest relevancy at LERF's 30 scales."""

    max_side: OptionalInt = None
    """Ask phrases on a picture no longer than this. 160 on a CPU and the photos' size on a GPU, if not given."""

    def run(self, console: Console) -> dict[str, Any]:
        """Evaluate; returns what `--json` prints."""
        from langfield import api

        report = api.evaluate(
            self.path,
            scene=self.scene,
            encoder=self.encoder,
            allow_outside=self.allow_outside,
            queries=self.queries,
            protocol=self.protocol,
            max_side_px=self.max_side,
            device=self.device,
            progress=console.progress,
        ).to_json()
        console.table(("figure", "value"), _rows(report))
        return report


def _rows(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The report for people: what was not measured is left out."""
    side = report["language_side_px"]
    rows = [("protocol", report["protocol"]), ("test views", str(report["views"]))]
    rows += [
        (title, f"{report[key]:{form}}")
        for key, title, form in (("psnr", "PSNR, dB", ".2f"), ("ssim", "SSIM", ".4f"), ("lpips", "LPIPS", ".4f"))
        if report[key] is not None
    ]
    for kind, count in (report["localisation"] or {}).items():
        if count["total"]:
            share = count["hits"] / count["total"]
            rows.append((f"localisation, {kind}", f"{count['hits']}/{count['total']} = {share:.3f}"))
    if report["miou"] is not None:
        rows.append(("mIoU (LERF-OVS)", f"{report['miou']:.3f}"))
    presence = report["presence"] or {}
    rows += [
        (f"presence, {title}", f"{presence[key]:.3f}")
        for key, title in (("auroc", "AUROC"), ("accuracy", "accuracy at 0.5"))
        if presence.get(key) is not None
    ]
    if report["localisation"] is not None:
        rows.append(("phrases asked at", "the photos' size" if side is None else f"{side} px, longest side"))
    return [*rows, ("seconds", f"{report['seconds']:.1f}")]
