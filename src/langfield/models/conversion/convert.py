"""A radiance field converted to Gaussians: its surface as elements, and their language as sparse codes."""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from langfield.core.cameras import Camera
from langfield.core.observed_scales import ObservedScales
from langfield.core.progress import Progress, silent
from langfield.fields.gaussians import GaussianConfig
from langfield.models.base import Converted
from langfield.models.conversion.elements import gather_elements, gaussians_of
from langfield.models.conversion.language import code_language
from langfield.models.conversion.surface_observations import CropSizedVoxels, observation_cameras, observe_surface
from langfield.models.gaussians.splat import Splat, SplatConfig
from langfield.models.nerf.volume import VolumeModel


def gaussians_of_field(
    model: VolumeModel[Any],
    cameras: Sequence[Camera],
    observed: ObservedScales,
    max_elements: int,
    progress: Progress = silent,
) -> Converted:
    """At most `max_elements` flat Gaussians on the surfaces that cameras see, with the field's language.

    Cost: a rendering of each camera, at most 16 pixels in all for each Gaussian; then the field's embedding of each
    Gaussian at each crop level.

    Args:
        cameras: of the scene frame.
        observed: the crop levels at which Gaussians get language.

    Raises:
        RunError: no camera sees a surface, or the field has no embedding of any.
    """
    started = time.perf_counter()
    voxels = CropSizedVoxels(observed)
    rasters = observation_cameras(cameras, float(observed.crop_angles[0]), max_elements)
    elements, _ = gather_elements(observe_surface(model, rasters, voxels, progress), voxels, max_elements)
    gathered = time.perf_counter()
    language, cosine = code_language(model, elements, observed.crop_angles, progress)
    baked = Splat(SplatConfig(gaussians=GaussianConfig(capacity=1, sh_degree=0)), model.context)
    baked.gaussians = gaussians_of(elements)
    baked.config = replace(baked.config, gaussians=baked.gaussians.config)
    baked.language = language
    return Converted(
        model=baked,
        elements=len(language.distance),
        levels=len(language.crop_angles),
        codes=len(language.codebook),
        voxel_side_scene=float(elements.sides.median()),
        coding_cosine=cosine,
        language_bytes=language.memory_bytes,
        seconds={"surface": gathered - started, "language": time.perf_counter() - gathered},
    )
