"""From one photo's masks to sets of surface voxels."""

from jaxtyping import Bool, Int64
from torch import Tensor

from langfield.groups.incidence import Incidence


def mask_sets(
    masks: Bool[Tensor, "m h w"], pixel_of_voxel: Int64[Tensor, " v"]
) -> tuple[Incidence, Bool[Tensor, " v"]]:
    """The surface voxels that are inside each of a photo's M masks, and which ones the photo shows at all.

    A voxel is where the photo shows its centre, in one pixel: every photo that sees a place has a say on it, however
    the depths of their pixels differ. Waits for the device once.

    Args:
        masks: the photo's masks.
        pixel_of_voxel: the pixel (row · w + column) that shows each of V voxels, −1 for none.
    """
    seen = pixel_of_voxel >= 0
    inside = masks.flatten(1)[:, pixel_of_voxel.clamp_min(0)] & seen
    mask, voxel = inside.nonzero().unbind(1)
    return Incidence(mask, voxel, (len(masks), len(pixel_of_voxel))), seen
