"""From one photo's masks to shares of surface voxels."""

import numpy as np
import torch
from jaxtyping import Bool, Int64
from scipy import sparse
from torch import Tensor

MASKS_AT_ONCE = 16  # their pixels are float32 at once


def count_mask_voxels(
    masks: Bool[Tensor, "m h w"], voxel_of_pixel: Int64[Tensor, "h w"], voxel_count: int
) -> tuple[sparse.csr_matrix, Bool[np.ndarray, " v"]]:
    """How much of each surface voxel is inside each mask, as one photo shows it.

    Sums over pixels on the tensors' device; they are of whole numbers, so they are exact and repeat on a GPU, too.

    Args:
        masks: the photo's masks.
        voxel_of_pixel: which surface voxel each pixel shows, -1 for none.
        voxel_count: V, the surface voxels of the scene.

    Returns:
        (M, V) float32, the share of a voxel's pixels that is inside the mask (zeros are not stored), and the voxels
        that the photo shows at all.
    """
    shows = voxel_of_pixel.flatten() >= 0
    voxels, column = torch.unique(voxel_of_pixel.flatten()[shows], return_inverse=True)
    pixels = torch.bincount(column, minlength=len(voxels)).to(torch.float32)
    inside = torch.zeros(len(masks), len(voxels), device=masks.device)
    flat = masks.flatten(1)
    for first in range(0, len(masks), MASKS_AT_ONCE):
        block = slice(first, first + MASKS_AT_ONCE)
        inside[block].index_add_(1, column, flat[block][:, shows].to(torch.float32))
    shares = sparse.csr_matrix((inside / pixels).cpu().numpy())
    seen_voxels = voxels.cpu().numpy()
    seen = np.zeros(voxel_count, dtype=bool)
    seen[seen_voxels] = True
    wide = sparse.csr_matrix((shares.data, seen_voxels[shares.indices], shares.indptr), (len(masks), voxel_count))
    return wide, seen
