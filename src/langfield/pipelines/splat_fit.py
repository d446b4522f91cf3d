"""Whether somebody else's Gaussians and a scene's photos belong together: a few small pictures tell."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from langfield.core.errors import DataError
from langfield.core.progress import Progress, ProgressEvent, silent
from langfield.core.sampling import subsample_evenly
from langfield.data.images import decode_image, decode_mask
from langfield.data.views import Scene
from langfield.models.base import Model

LEAST_COVERED = 0.005
FAIR_COVERED = 0.3
_SIDE_PX = {"cuda": 320, "cpu": 96}
_VIEWS = 6
_COVERED_ALPHA = 0.5


@dataclass(frozen=True)
class SplatFit:
    """How Gaussians fit photos.

    Attributes:
        covered: share of the photos' usable pixels at which Gaussians stop at least half of the light.
        error, flat_error: mean squared difference there from the photos (colours in [0, 1]): the Gaussians', and that
            of pictures of each photo's mean colour alone. NaN where nothing is covered.
    """

    covered: float
    error: float
    flat_error: float

    @property
    def alike(self) -> bool:
        """Whether the Gaussians say more about the photos than their mean colours do."""
        return self.error < self.flat_error


@torch.no_grad()
def splat_fit(model: Model, scene: Scene, view_indices: Sequence[int], progress: Progress = silent) -> SplatFit:
    """Compare a few of the views, small, with what the Gaussians show there."""
    start = time.monotonic()
    chosen = [scene.views[index] for index in subsample_evenly(view_indices, _VIEWS)]
    sums = np.zeros(4)  # usable pixels, covered ones, squared errors of either kind
    for done, view in enumerate(chosen, start=1):
        camera = view.camera.fit_within(_SIDE_PX[model.device.type])
        size = camera.width_px, camera.height_px
        seen = model.render(camera.moved(scene.scene_from_world))
        assert seen.rgb is not None
        assert seen.alpha is not None
        photo = decode_image(view.image_path, size) / 255.0
        used = np.ones(photo.shape[:2], bool) if view.mask_path is None else decode_mask(view.mask_path, size)
        alpha = seen.alpha.cpu().numpy()
        covered = used & (alpha > _COVERED_ALPHA)
        here = photo[covered]
        shown = seen.rgb.cpu().numpy()[covered] / alpha[covered][:, None]  # whatever they were trained to stand before
        error = ((shown - here) ** 2).mean(axis=-1).sum()
        flat = ((here - here.mean(axis=0)) ** 2).mean(axis=-1).sum() if len(here) else 0.0
        sums += (used.sum(), covered.sum(), error, flat)
        progress(ProgressEvent("splat", done, len(chosen), "views", time.monotonic() - start))
    pixels, covered_pixels, error, flat = sums.tolist()
    each = covered_pixels or math.nan
    return SplatFit(covered_pixels / max(pixels, 1), error / each, flat / each)


def check_fit(fit: SplatFit, path: Path) -> list[str]:
    """Lines of warning about Gaussians that fit the photos badly. Raises DataError naming their file if they cover
    (nearly) nothing of the photos."""
    share = f"{100 * fit.covered:.1f} % of the photos' pixels"
    if fit.covered < LEAST_COVERED:
        raise DataError(
            f"covers {share}: its Gaussians lie nowhere in front of the scene's cameras, probably in another frame or "
            "scale than the photos' poses; export it in their frame",
            path,
        )
    notes = []
    if fit.covered < FAIR_COVERED:
        notes.append(
            f"warning: {path} covers only {share}; if it should show more, it is in another frame than the poses"
        )
    if not fit.alike:
        notes.append(
            f"warning: {path} looks less like the photos than their mean colours do (PSNR {_db(fit.error)} dB, "
            f"mean colours {_db(fit.flat_error)} dB); it is probably in another frame than the photos' poses"
        )
    return notes


def _db(error: float) -> str:
    return f"{-10 * math.log10(max(error, 1e-10)):.1f}"
