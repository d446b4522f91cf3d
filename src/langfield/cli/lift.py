"""`langfield lift`: somebody else's Gaussians and a scene's photos in, a run directory out."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from langfield.cli.console import Console, duration
from langfield.cli.options import Device, EncoderSpec, Flag, OptionalInt, OutputOptions
from langfield.data.scene_path import check_scene_exists


@dataclass(frozen=True, kw_only=True)
class LiftCommand(OutputOptions):
    """Give Gaussians that another program trained the language of the photos, without training."""

    scene: tyro.conf.Positional[Path]
    """A folder with transforms.json (nerfstudio, instant-ngp) or with a COLMAP model and its photos."""

    splat: Path
    """A file of 3D Gaussians, in the frame of the photos' poses: PLY (of 3DGS, 2DGS, SuperSplat's compressed one),
    SPZ or .splat."""

    out: Path
    """The run directory to write. Ask, render, measure or export it like any other."""

    encoder: EncoderSpec = None
    """Image-text encoder, such as openclip:ViT-B-16/laion2b_s34b_b88k or openclip:local-dir:FOLDER.
    That of the preset splat, if not given."""

    allow_outside: Flag = False
    """Also read photos that lie outside the scene's folder."""

    test_every: OptionalInt = None
    """Keep every N-th photo by name for testing, whatever the scene's files say; 0 trains on all.
    The files' own split, if not given, or every 8th photo where they have none."""

    device: Device = "auto"
    """auto, cpu, cuda or cuda:N."""

    def run(self, console: Console) -> dict[str, Any]:
        """Lift; returns what `--json` prints."""
        check_scene_exists(self.scene)
        import langfield

        report = langfield.lift(
            self.scene,
            self.splat,
            self.out,
            encoder=self.encoder,
            allow_outside=self.allow_outside,
            test_every=self.test_every,
            device=self.device,
            progress=console.progress,
            log=console.say,
        )
        quality = "" if report.psnr is None else f", PSNR {report.psnr:.2f} dB on test views"
        memory = f"{report.memory_bytes / 2**30:.1f} GB"
        console.say(f"{report.run}: language lifted in {duration(report.seconds)}{quality}, {memory} of memory")
        console.say(f"ask it: langfield query {report.run} 'wooden spoon'")
        return report.to_json()
