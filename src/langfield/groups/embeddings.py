"""What groups look like: the mean of the image embeddings of the masks that show them."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float16, Float32

from langfield.groups.base import Groups, PhotoVoxels, solid_part

_MIN_IOU = 0.5  # of a mask with what its photo shows of a group: below, the mask is of something else


def mean_group_embeddings(
    photos: Sequence[PhotoVoxels], groups: Groups, embeddings: Sequence[Float16[np.ndarray, "_m d"]]
) -> Float16[np.ndarray, "g d"]:
    """Unit embeddings of G groups, 0 for a group that no mask is of.

    A mask counts for a group by its intersection over union with what its photo shows of the group, above a half, and
    by the share of the group that the photo shows. Cost: a sparse product of a photo's masks and the groups, each.

    Args:
        photos: masks as sets of the V voxels of a surface.
        embeddings: of each photo's M masks, (M, D).
    """
    members = groups.solid()
    whole = np.maximum(np.diff(members.indptr), 1)
    total = np.zeros((len(groups.parent), embeddings[0].shape[1] if embeddings else 0), np.float32)
    for photo, of_masks in zip(photos, embeddings, strict=True):
        masks = solid_part(photo.masks)
        shown = members @ photo.seen.astype(np.float32)
        common = (members @ masks.T).toarray()
        union = shown[:, None] + np.diff(masks.indptr)[None, :] - common
        iou = common / np.maximum(union, 1)
        weight = np.clip((iou - _MIN_IOU) / (1 - _MIN_IOU), 0, None) * (shown / whole)[:, None]
        total += weight.astype(np.float32) @ of_masks.astype(np.float32)
    return _unit(total)


def _unit(rows: Float32[np.ndarray, "g d"]) -> Float16[np.ndarray, "g d"]:
    return (rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)).astype(np.float16)
