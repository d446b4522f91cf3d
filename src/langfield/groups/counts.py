"""From one photo's masks to shares of surface voxels."""

import numpy as np
import torch
from jaxtyping import Bool, Float32, Int64
from scipy import sparse
from torch import Tensor

from langfield.groups.incidence import Incidence, sorted_numbers


def mask_shares(
    masks: Bool[Tensor, "m h w"], voxel_of_pixel: Int64[Tensor, "h w"], voxel_count: int
) -> tuple[Incidence, Float32[Tensor, " e"], Bool[Tensor, " v"]]:
    """How much of each surface voxel is inside each mask, as one photo shows it. Waits for the device twice.

    Args:
        masks: the photo's masks.
        voxel_of_pixel: which surface voxel each pixel shows, -1 for none.
        voxel_count: V, the surface voxels of the scene.

    Returns:
        (M, V) the voxels that each mask touches, the share of each one's pixels that is inside, and the voxels that
        the photo shows at all.
    """
    voxel = voxel_of_pixel.flatten()
    shows = voxel >= 0
    pixels = torch.zeros(voxel_count + 1, dtype=torch.int64, device=voxel.device)  # the last is of no voxel
    pixels.index_add_(0, torch.where(shows, voxel, voxel_count), torch.ones_like(voxel))
    mask, pixel = (masks.flatten(1) & shows).nonzero().unbind(1)
    keys, count = sorted_numbers(mask * voxel_count + voxel[pixel]).unique_consecutive(return_counts=True)
    mask = keys.div(max(voxel_count, 1), rounding_mode="floor")
    touched = Incidence(mask, keys - mask * voxel_count, (len(masks), voxel_count))
    return touched, count.float() / pixels[touched.column].float(), pixels[:-1] > 0


def count_mask_voxels(
    masks: Bool[Tensor, "m h w"], voxel_of_pixel: Int64[Tensor, "h w"], voxel_count: int
) -> tuple[sparse.csr_matrix, Bool[np.ndarray, " v"]]:
    """`mask_shares` on the host: (M, V) float32 (zeros are not stored), and the voxels that the photo shows at all."""
    touched, share, seen = mask_shares(masks, voxel_of_pixel, voxel_count)
    arrays = (share.cpu().numpy(), touched.column.cpu().numpy(), touched.starts.cpu().numpy())
    return sparse.csr_matrix(arrays, (len(masks), voxel_count)), seen.cpu().numpy()
