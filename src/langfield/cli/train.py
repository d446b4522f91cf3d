"""`langfield train`: a scene in, a run directory out."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from langfield.cli.console import Console, duration
from langfield.cli.options import Device, EncoderSpec, Flag, OptionalInt, OutputOptions, PresetName
from langfield.core.progress import Progress
from langfield.data.scene_path import check_scene_exists

if TYPE_CHECKING:
    from langfield.pipelines.observing import TrainObserver
    from langfield.pipelines.run_making import TrainReport


@dataclass(frozen=True, kw_only=True)
class TrainCommand(OutputOptions):
    """Train on posed photos. Goes on where it stopped when the run directory holds the same run."""

    scene: tyro.conf.Positional[Path]
    """A folder with transforms.json (nerfstudio, instant-ngp) or with a COLMAP model and its photos."""

    out: Path
    """The run directory to write."""

    method: Annotated[str, tyro.conf.arg(metavar="METHOD")] = "auto"
    """The model: auto, lerf, splat or voxel_lift. auto is the preset's."""

    preset: PresetName = None
    """A model with all settings of its training, see `langfield methods`.
    If not given, the best that runs here: splat with a GPU and gsplat, lerf with a GPU, nano without."""

    encoder: EncoderSpec = None
    """Image-text encoder, such as openclip:ViT-B-16/laion2b_s34b_b88k or openclip:local-dir:FOLDER.
    The preset's, if not given."""

    dense: EncoderSpec = None
    """Self-supervised encoder, such as timm:vit_small_patch8_224.dino, or none. The preset's, if not given."""

    masks: EncoderSpec = None
    """Mask encoder, such as builtin:masks, sam:facebook/sam-vit-base or superpixels: divides the scene into things, so
    that answers end where things do, and `langfield objects` and `segment` work. None, if not given. A run that is
    trained already only gets its groups."""

    allow_outside: Flag = False
    """Also read photos that lie outside the scene's folder."""

    test_every: OptionalInt = None
    """Keep every N-th photo by name for testing, whatever the scene's files say; 0 trains on all.
    The files' own split, if not given, or every 8th photo where they have none."""

    device: Device = "auto"
    """auto, cpu, cuda or cuda:N."""

    max_steps: OptionalInt = None
    """Stop after so many steps. The preset's, if not given."""

    rays: OptionalInt = None
    """Rays in a step. The preset's, if not given."""

    seed: Annotated[int, tyro.conf.arg(metavar="N")] = 0
    """Of everything random in the run."""

    tensorboard: Flag = False
    """Write figures for TensorBoard into the run directory."""

    view: Flag = False
    """Show the training in a browser, at the link that is printed: look at the scene, pause, stop and save. When it is
    done, the page goes on with the run until Ctrl-C. Needs the extra: pip install 'langfield[view]'."""

    port: int = 7007
    """With --view, the port of the page; 0 takes a free one."""

    def run(self, console: Console) -> dict[str, Any]:
        """Train; returns what `--json` prints."""
        check_scene_exists(self.scene)
        if not self.view:
            return self._train(console, console.progress, None).to_json()
        from langfield.cli.live_view import viewed_training

        with viewed_training(console, self.port) as viewed:
            report = self._train(console, viewed.progress, viewed.live)
            viewed.serve(self.out, self.device, self.encoder)
        return report.to_json()

    def _train(self, console: Console, progress: Progress, observer: "TrainObserver | None") -> "TrainReport":
        """Train, and say what came of it. Args: as for `langfield.train`."""
        import langfield

        report = langfield.train(
            self.scene,
            self.out,
            method=self.method,
            preset=self.preset,
            encoder=self.encoder,
            dense=self.dense,
            masks=self.masks,
            allow_outside=self.allow_outside,
            test_every=self.test_every,
            device=self.device,
            max_steps=self.max_steps,
            rays=self.rays,
            seed=self.seed,
            tensorboard=self.tensorboard,
            progress=progress,
            log=console.say,
            observer=observer,
        )
        quality = "" if report.psnr is None else f", PSNR {report.psnr:.2f} dB on test views"
        memory = f"{report.memory_bytes / 2**30:.1f} GB"
        console.say(f"{report.run}: {report.steps} steps in {duration(report.seconds)}{quality}, {memory} of memory")
        console.say(f"ask it: langfield query {report.run} 'wooden spoon'")
        return report
