"""Whether somebody else's Gaussians fit a scene's photos: compared in a few small pictures."""

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
from langfield.data.images import decode_image
from langfield.data.masks import used_pixels
from langfield.data.views import Scene
from langfield.models.base import Model

MIN_COVERED = 0.005
WARN_COVERED = 0.3
_SIDE_PX = {"cuda": 320, "cpu": 96}
_VIEWS = 6
_COVERED_ALPHA = 0.5


@dataclass(frozen=True)
class SplatFit:
    """How Gaussians fit photos.

    Attributes:
        covered: share of the photos' unmasked pixels at which the Gaussians' alpha is above a half.
        error: mean squared difference of the Gaussians' colours (in [0, 1]) from the photos there; NaN if nothing is
            covered.
        flat_error: the same of each photo's mean colour there.
    """

    covered: float
    error: float
    flat_error: float

    @property
    def better_than_flat(self) -> bool:
        """Whether the Gaussians are nearer to the photos than the photos' mean colours are."""
        return self.error < self.flat_error

    @property
    def explained(self) -> float:
        """Squared difference from the photos' mean colours that the Gaussians take away, over all unmasked pixels;
        negative where they add some, and worst where they cover nothing."""
        return self.covered * (self.flat_error - self.error) if self.covered else -math.inf


@torch.no_grad()
def splat_fit(model: Model, scene: Scene, view_indices: Sequence[int], progress: Progress = silent) -> SplatFit:
    """Compare a few of a scene's views, small, with the model's pictures."""
    start = time.monotonic()
    chosen = [scene.views[index] for index in subsample_evenly(view_indices, _VIEWS)]
    sums = np.zeros(4)  # unmasked pixels, covered ones, squared errors of either kind
    for done, view in enumerate(chosen, start=1):
        camera = view.camera.fit_within(_SIDE_PX[model.device.type])
        size = camera.width_px, camera.height_px
        rendered = model.render(camera.moved(scene.scene_from_world))
        assert rendered.rgb is not None
        assert rendered.alpha is not None
        photo = decode_image(view.image_path, size, view.white_level) / 255.0
        mask = used_pixels(view, size)
        used = np.ones(photo.shape[:2], bool) if mask is None else mask
        alpha = rendered.alpha.cpu().numpy()
        covered = used & (alpha > _COVERED_ALPHA)
        here = photo[covered]
        shown = rendered.rgb.cpu().numpy()[covered] / alpha[covered][:, None]  # they may be trained on any background
        error = ((shown - here) ** 2).mean(axis=-1).sum()
        flat = ((here - here.mean(axis=0)) ** 2).mean(axis=-1).sum() if len(here) else 0.0
        sums += (used.sum(), covered.sum(), error, flat)
        progress(ProgressEvent("splat", done, len(chosen), "views", time.monotonic() - start))
    pixels, covered_pixels, error, flat = sums.tolist()
    each = covered_pixels or math.nan
    return SplatFit(covered_pixels / max(pixels, 1), error / each, flat / each)


def check_fit(fit: SplatFit, path: Path) -> list[str]:
    """Warnings about Gaussians that fit the photos badly.

    Args:
        path: the Gaussians' file, for messages.

    Raises:
        DataError: they cover less than `MIN_COVERED` of the photos.
    """
    share = f"{100 * fit.covered:.1f} % of the photos' pixels"
    if fit.covered < MIN_COVERED:
        raise DataError(
            f"covers {share}: its Gaussians lie nowhere in front of the scene's cameras, probably in another frame or "
            "scale than the photos' poses; export it in their frame",
            path,
        )
    notes = []
    if fit.covered < WARN_COVERED:
        notes.append(
            f"warning: {path} covers only {share}; if it should show more, it is in another frame than the poses"
        )
    if not fit.better_than_flat:
        notes.append(
            f"warning: {path} looks less like the photos than their mean colours do (PSNR {_db(fit.error)} dB, "
            f"mean colours {_db(fit.flat_error)} dB); it is probably in another frame than the photos' poses"
        )
    return notes


def _db(error: float) -> str:
    return f"{-10 * math.log10(max(error, 1e-10)):.1f}"
