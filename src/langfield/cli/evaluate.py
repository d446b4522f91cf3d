"""`langfield eval`: how good a run is, by one of several protocols."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import tyro

from langfield.cli.console import Console
from langfield.cli.options import Flag, OptionalInt, OptionalPath, RunOptions
from langfield.evaluation.protocols.names import LEVEL_MAPS, PROTOCOLS, LevelMaps, ProtocolName
from langfield.runs.existence import check_has_run

_PROTOCOL_HELP = "What is counted:\n" + "\n".join(f"{name}: {line}." for name, line in PROTOCOLS.items())
_MAPS_HELP = "By lerf-ovs and 3d-ovs, which relevancy maps compete; refined if not given:\n" + "\n".join(
    f"{name}: {line}." for name, line in LEVEL_MAPS.items()
)


@dataclass(frozen=True, kw_only=True)
class EvalCommand(RunOptions):
    """Measure a run: pictures, localisation, segmentation, positions and presence."""

    scene: OptionalPath = None
    """The scene it was trained on. Where it was when trained, if not given."""

    allow_outside: Flag = False
    """Also read photos that lie outside the scene's folder."""

    queries: OptionalPath = None
    """Labels: a queries.json, or a folder of LERF-OVS (label/SCENE), LERF-Mask (test_mask), 3D-OVS (segmentations).
    The scene's queries.json, if not given and there; for protocols that need labels also those folders."""

    protocol: Annotated[ProtocolName, tyro.conf.arg(help=_PROTOCOL_HELP, metavar="NAME")] = "langfield"

    maps: Annotated[LevelMaps | None, tyro.conf.arg(help=_MAPS_HELP, metavar="NAME", help_behavior_hint="")] = None

    max_side: OptionalInt = None
    """Ask phrases on a picture no longer than this. 160 on a CPU and the photos' size on a GPU, if not given."""

    def run(self, console: Console) -> dict[str, Any]:
        """Evaluate; returns what `--json` prints."""
        check_has_run(self.path)
        import langfield

        report = langfield.evaluate(
            self.path,
            scene=self.scene,
            encoder=self.encoder,
            allow_outside=self.allow_outside,
            queries=self.queries,
            protocol=self.protocol,
            maps=self.maps,
            max_side_px=self.max_side,
            device=self.device,
            progress=console.progress,
        ).to_json()
        console.table(("figure", "value"), table_rows(report))
        return report


def table_rows(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Rows (name, value) of a table of the report's figures; what was not measured is left out."""
    rows = [("protocol", report["protocol"])]
    if "maps" in report:
        rows.append(("relevancy maps", f"{report['maps']}: {LEVEL_MAPS[report['maps']]}"))
    if report["labels"] is not None:
        rows.append(("labels", f"{report['label_layout']}: {report['labels']}"))
    if report["views"]:
        rows.append(("test views" if "left_out" not in report else "labelled views", str(report["views"])))
    rows += _of_views(report)
    rows += [
        (f"localisation, {kind}", _share(count["hits"], count["total"]))
        for kind, count in (report["localisation"] or {}).items()
        if count["total"]
    ]
    rows += [
        (title, _figure(report["figures"][key], form))
        for key, title, form in _FIGURES
        if report["figures"].get(key, {}).get("micro") is not None
    ]
    rows += _presence_rows(report["presence"] or {})
    side = report["language_side_px"]
    if report["localisation"] is not None or report["miou"] is not None:
        rows.append(("phrases asked at", "the photos' size" if side is None else f"{side} px, longest side"))
    return [*rows, ("seconds", f"{report['seconds']:.1f}")]


# Figures of the headline kinds, as `langfield.evaluation.statistics.summary` gives them.
_FIGURES = (
    ("position_error", "position error", ".4g"),
    ("in_object", "best hit in the thing's cylinder", ".3f"),
    ("in_radius", "best hit within its radius", ".3f"),
    ("iou_3d", "IoU of boxes in 3D", ".3f"),
    ("iou_3d_oriented", "IoU of oriented boxes", ".3f"),
    ("acc_25", "Acc@0.25", ".3f"),
    ("acc_50", "Acc@0.5", ".3f"),
    ("count_right", "as many hits as things", ".3f"),
    ("f1", "F1 of hits", ".3f"),
)


def _of_views(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    rows = [
        (title, f"{report[key]:{form}}")
        for key, title, form in (
            ("psnr", "PSNR, dB", ".2f"),
            ("ssim", "SSIM", ".4f"),
            ("lpips", "LPIPS", ".4f"),
            ("miou", "mIoU", ".3f"),
            ("boundary_miou", "mean boundary IoU", ".3f"),
        )
        if report.get(key) is not None
    ]
    for key, title in (("trained_on", "of them trained on"), ("left_out", "left out, trained on")):
        if report.get(key):
            rows.append((title, str(len(report[key]))))
    return rows


def _presence_rows(presence: Mapping[str, Any]) -> list[tuple[str, str]]:
    rows = []
    if presence.get("auroc") is not None:
        rows.append(("presence, AUROC", _with_error(presence["auroc"], presence["auroc_standard_error"], ".3f")))
    rows += [
        (f"presence, {sort} phrases right at 0.5", _share(presence[sort]["right"], presence[sort]["total"]))
        for sort in ("present", "absent")
        if sort in presence and presence[sort]["total"]
    ]
    if presence.get("calibration_error") is not None:
        rows.append(("presence, calibration error", f"{presence['calibration_error']:.3f}"))
    return rows


def _share(hits: int, total: int) -> str:
    return f"{hits}/{total} = {hits / total:.3f}"


def _figure(figure: Mapping[str, Any], form: str) -> str:
    return f"{_with_error(figure['micro'], figure['standard_error'], form)} over {figure['count']}"


def _with_error(value: float, error: float | None, form: str) -> str:
    return f"{value:{form}}" + ("" if error is None else f" ± {error:{form}}")
