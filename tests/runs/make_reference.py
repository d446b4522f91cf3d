"""Makes the runs in `reference/`: one of each method, as small as can be, and what they show.

    python -m tests.runs.make_reference

They stand for the runs that people have. Make new ones, beside these, only when runs of a new schema begin.
"""

import json
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from tests.cli.conftest import write_encoder
from tests.data.scenes import write_ball_scene
from tests.models.gaussians.test_splat import CONFIG, GROWTH

import langfield
from langfield.features.pyramid import PyramidRecipe
from langfield.models.base import AskableView
from langfield.models.gaussians.splat import LiftingConfig
from langfield.models.presets import LIFT, NANO, PRESETS, Preset
from langfield.models.relevancy import EncodedPhrases
from langfield.query.session import Session

FOLDER = Path(__file__).parent / "reference"
FILES = "run.json", "model.safetensors"


def shown(run: Path) -> dict[str, np.ndarray]:
    """The first view of a run: its picture, its z-depth in world units, and relevancy of two phrases at each level."""
    session = Session.open(run, device="cpu")
    camera = session.views[0].camera.fit_within(32)
    rgb, depth_world = session.picture(camera)
    dim = session.model.context.target_dims.get("embedding", 0)
    generator = torch.Generator().manual_seed(0)
    said = torch.nn.functional.normalize(torch.randn(4, dim, generator=generator), dim=-1)
    phrases = session.model.prepare_phrases(EncodedPhrases(("a", "b"), said[:2], said[2:], 10.0))
    # The levels of `seen_scales`, of Gaussians too, which have levels of their own.
    maps = AskableView.crop_level_relevancy(session._view(camera), phrases, session.seen_scales())
    return {"rgb": rgb, "depth_world": depth_world, "relevancy": maps.half().cpu().numpy()}


def _presets() -> dict[str, Preset]:
    pyramid = PyramidRecipe((0.2, 0.5), 0.5)
    lifting, growth = LiftingConfig(codes=8, side_px=32, min_contribution=0.2), replace(GROWTH, start=4, every=4)
    gaussians = replace(CONFIG, gaussians=replace(CONFIG.gaussians, capacity=330), growth=growth, lifting=lifting)
    radiance = replace(NANO.radiance, levels=3, features=2, log2_rows=9, max_resolution=32)
    proposals = (replace(NANO.proposals[0], levels=2, log2_rows=9, max_resolution=24),)
    grid = replace(NANO.language.grid, levels=(2,), resolutions=((8, 24),), log2_rows=9, features=2)
    language = replace(NANO.language, grid=grid, width=16)
    lerf = replace(NANO, radiance=radiance, proposals=proposals, language=language)
    lift = replace(LIFT, radiance=radiance, proposals=proposals)
    return {
        "splat": replace(PRESETS["splat"], config=gaussians, steps=40, pyramid=pyramid),
        "lerf": replace(PRESETS["nano"], config=lerf, steps=60, rays=256, head_rays=64, pyramid=pyramid),
        "lift": replace(PRESETS["lift"], config=lift, steps=60, rays=256, pyramid=pyramid),
    }


def main() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        scene = folder / "balls"
        write_ball_scene(scene, n_views=9, width_px=32, height_px=24, n_points=200)
        (folder / "encoder").mkdir()
        spec = write_encoder(folder / "encoder")
        for name, preset in _presets().items():
            PRESETS[name] = preset
            langfield.train(scene, folder / name, preset=name, encoder=spec, device="cpu")
            out = FOLDER / name
            out.mkdir(parents=True)
            for file in FILES:
                (out / file).write_bytes((folder / name / file).read_bytes())
            info = (out / "run.json").read_text().replace(json.dumps(str(folder))[1:-1] + "/", "")
            (out / "run.json").write_text(info)
            np.savez_compressed(out / "shown.npz", **shown(out))


if __name__ == "__main__":
    main()
