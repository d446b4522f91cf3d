"""`langfield demo`: what langfield does, on photos and with an encoder that come with it."""

import itertools
import shlex
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from langfield.cli.console import Console, duration
from langfield.cli.options import Device, Flag, OutputOptions
from langfield.cli.view import ViewCommand, viewer_options
from langfield.core.errors import DataError, UsageError

if TYPE_CHECKING:
    from langfield.pipelines.demo import Demo, JudgedAnswer

_ENCODER = "builtin:mini"
_MASKS = "builtin:masks"
_SHOWN = 8  # phrases on the sheet, in two blocks


@dataclass(frozen=True, kw_only=True)
class DemoCommand(OutputOptions):
    """Train on bundled photos with a bundled encoder, ask for things, and show where they are. No network, no GPU."""

    out: Path = Path("langfield-demo")
    """Where the run and the pictures go."""

    device: Device = "auto"
    """auto, cpu, cuda or cuda:N."""

    masks: Flag = False
    """Find where things end, too, so that they can be clicked and listed (extra masks). On a GPU this is done anyway,
    in seconds; on two cores it takes some ten minutes."""

    view: Flag = False
    """Show the run in a browser then, until Ctrl-C."""

    def run(self, console: Console) -> dict[str, Any]:
        """Run it; returns what `--json` prints."""
        start = time.perf_counter()  # importing torch is part of what people wait for
        from langfield.encoders.builtin import builtin_folder
        from langfield.pipelines.demo import run_demo
        from langfield.runs.atomic import write_json

        builtin_folder(_ENCODER.removeprefix("builtin:"))  # what is missing is told before anything is made
        if self.view:
            viewer_options(0)
        masks = self._masks()
        scene = bundled_scene()
        if (self.out / "run" / "run.json").is_file():
            console.say(f"{self.out / 'run'} was there already; to train anew, delete {self.out}")
        demo = run_demo(
            scene, _ENCODER, self.out, device=self.device, masks=masks, progress=console.progress, log=console.say
        )
        sheet = _write_sheet(demo, scene, self.out / "demo.png", console)
        seconds = demo.seconds | {"all": time.perf_counter() - start}
        console.table(("phrase", "is there", "answer", "presence", "position (m)", ""), [_row(j) for j in demo.judged])
        _conclude(demo, seconds, sheet, self.out, console, offer_view=not self.view)
        result = {"run": str(self.out / "run"), "seconds": seconds, "answers": [j.to_json() for j in demo.judged]}
        numbers = self.out / "demo.json"
        write_json(numbers, result)
        if self.view:
            ViewCommand(paths=(self.out / "run",), port=0, device=self.device).run(console)
        return result | {"files": [str(sheet), str(numbers)]}

    def _masks(self) -> str | None:
        """The encoder of masks, if any: UsageError if they are asked for and its library is not installed."""
        from langfield.core.devices import resolve_device

        installed = find_spec("transformers") is not None
        if self.masks and not installed:
            raise UsageError("--masks needs transformers: pip install 'langfield[masks]'")
        return _MASKS if self.masks or (installed and resolve_device(self.device).type == "cuda") else None


def bundled_scene() -> Path:
    """The folder of the scene that comes with langfield. Raises DataError if this copy has none."""
    folder = Path(str(files("langfield").joinpath("bundled", "table")))
    if not (folder / "transforms.json").is_file():
        raise DataError("the bundled photos are not in this copy of langfield; install one that has them", folder)
    return folder


def shown(judged: "Sequence[JudgedAnswer]", count: int = _SHOWN) -> "list[JudgedAnswer]":
    """Answers for the contact sheet: at most `count`, of all kinds of phrase, about different things; two are absent.

    Chosen by the ground truth alone, whatever the answers are. Of a kind's phrases the first of at least three words is
    taken, if there is one.
    """
    absent = [j for j in judged if j.expected == "absent"]
    few = absent[:: max(1, len(absent) // 2)][:2]
    there = [j for j in judged if j.expected == "present"]
    chosen: list[JudgedAnswer] = []
    kinds = itertools.cycle(dict.fromkeys(j.kind for j in there))
    for kind in itertools.islice(kinds, 4 * count):  # a kind may have run out of new things
        seen = {i for j in chosen for i in j.ids}
        new = [j for j in there if j.kind == kind and not seen & set(j.ids)]
        if new and len(chosen) < count - len(few):
            chosen.append(next((j for j in new if len(j.answer.phrase.split()) >= 3), new[0]))
    return [*chosen, *few]


def _write_sheet(demo: "Demo", scene: Path, path: Path, console: Console) -> Path:
    from langfield.cli.files import make_folder, write_picture
    from langfield.data.images import decode_image
    from langfield.reports.answer_pictures import Rgb, best_view_indices, photo_rows
    from langfield.reports.contact_sheet import contact_sheet

    make_folder(path.parent)
    answers = [judged.answer for judged in shown(demo.judged)]

    def read_photo(name: str, size: tuple[int, int]) -> Rgb:
        return decode_image(scene / name, size)

    views = best_view_indices(demo.session, answers)
    rows = photo_rows(demo.session, answers, views, read_photo)
    return write_picture(path, contact_sheet(rows, blocks=2))


def _row(judged: "JudgedAnswer") -> tuple[str, ...]:
    from langfield.reports.answer_pictures import verdict

    answer = judged.answer
    position = "" if answer.position is None else ", ".join(f"{value:.2f}" for value in answer.position)
    there = "yes" if judged.expected == "present" else "no"
    return (
        answer.phrase,
        there,
        verdict(answer),
        f"{answer.presence:.2f}",
        position,
        "right" if judged.correct else "WRONG",
    )


def _conclude(
    demo: "Demo", seconds: dict[str, float], sheet: Path, out: Path, console: Console, *, offer_view: bool
) -> None:
    for expected, words in (("present", "things found at their place"), ("absent", "absent things said absent")):
        of_kind = [judged for judged in demo.judged if judged.expected == expected]
        console.say(f"{sum(judged.correct for judged in of_kind)} of {len(of_kind)} {words}")
    console.say(f"{duration(seconds['all'])} in all; pictures: {sheet}")
    command = "langfield" if shutil.which("langfield") else shlex.quote(sys.argv[0])
    if offer_view:
        console.say(f"look at it, type and click: {command} view {shlex.quote(str(out / 'run'))}")
    console.say(f"ask it more: {command} query {shlex.quote(str(out / 'run'))} 'something red' --out answers")
    console.say(
        "your own photos: pose them with COLMAP (colmap automatic_reconstructor --workspace_path kitchen --image_path "
        f"kitchen/images), then: {command} train kitchen --out runs/kitchen; that takes an encoder of real photos, "
        "which is downloaded once (--encoder chooses another)"
    )
