"""What groups look like: the mean of the image embeddings of the masks that show them."""

import numpy as np
import torch
from jaxtyping import Float16, Float64
from torch import Tensor

from langfield.groups.agreement import ONE, MaskTable, visible_sizes
from langfield.groups.base import Groups
from langfield.groups.incidence import Incidence, shared_sums

_MIN_IOU = 0.5  # of a mask with what its photo shows of a group: below, the mask is of something else


def masks_of_groups(table: MaskTable, groups: Groups) -> Float64[Tensor, "n g"]:
    """How much each of N masks says about each of G groups, 0 for what it is not of.

    A mask counts for a group by its intersection over union with what its photo shows of the group, above a half, and
    by the share of the group that the photo shows. Cost: for each voxel of each mask the groups that hold it.

    Args:
        table: masks as sets of the V voxels of a surface.
    """
    members = Incidence.of_csr(groups.solid(), table.device)
    shown = visible_sizes(members, table) / ONE
    shown_of_mask = shown[:, table.photo].T
    common = shared_sums(table.inside, members)
    union = shown_of_mask + table.inside.sizes[:, None] - common
    weight = ((common / union.clamp_min(1) - _MIN_IOU) / (1 - _MIN_IOU)).clamp_min(0)
    return weight * (shown_of_mask / members.sizes.clamp_min(1))


def mean_group_embeddings(
    weight: Float64[Tensor, "n g"], embeddings: Float16[np.ndarray, "n d"]
) -> Float16[np.ndarray, "g d"]:
    """Unit embeddings of G groups, 0 for a group that no mask is of.

    Args:
        weight: see `masks_of_groups`.
        embeddings: of the N masks.
    """
    total = weight.T @ torch.from_numpy(embeddings.astype(np.float64)).to(weight.device)
    return (total / total.norm(dim=1, keepdim=True).clamp_min(1e-9)).half().cpu().numpy()
