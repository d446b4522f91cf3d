"""The protocols "3d-ovs" and "3d-ovs-held-out": mIoU over the classes of 3D-OVS's labelled photos (Liu et al. 2023).

Papers agree that mIoU is the mean over classes of each class's IoU, but not on how a relevancy map becomes a mask, and
LangSplat's way was never published. Here it is LangSplatV2's (Li et al. 2025): relevancy above 0.4, neither smoothed
nor stretched, at the level whose mean relevancy inside its own mask is the highest. A class that a photo does not show
is not asked there; an empty mask counts 0. Which maps compete, raw or refined ones, is as for `lerf_ovs`.
"""

from typing import Final

import torch
from jaxtyping import Bool, Float32
from torch import Tensor

from langfield.data.views import View
from langfield.evaluation.askable import SessionWithLevelMaps, level_maps_in_batches
from langfield.evaluation.labels.base import Labels
from langfield.evaluation.masks import ious, truth_masks
from langfield.evaluation.metrics import resized_maps
from langfield.evaluation.protocols.names import LevelMaps
from langfield.evaluation.questions import Question
from langfield.evaluation.result import ViewResult

RULE: Final = "relevancy over 0.4, at the level with the highest mean there"
_THRESHOLD = 0.4


def choose_level(maps: Float32[Tensor, "l h w"]) -> tuple[Bool[Tensor, "h w"], int]:
    """One phrase's predicted mask and its level, from its maps at L levels.

    Of levels with equal means the first is taken; also if every mask is empty.
    """
    masks = maps > _THRESHOLD
    counts = masks.sum(dim=(1, 2))
    sums = torch.where(masks, maps, 0.0).sum(dim=(1, 2), dtype=torch.float64)
    means = torch.where(counts > 0, sums / counts.clamp(min=1), -torch.inf)
    level = int(means.argmax())
    return masks[level], level


def measure(
    session: SessionWithLevelMaps, view: View, labels: Labels, max_side_px: int | None, maps: LevelMaps
) -> ViewResult:
    """Ask a labelled photo for the classes that it shows.

    Args:
        max_side_px: longest side of the picture that is asked; maps are then brought to the labels' raster.
        maps: which maps compete.
    """
    result = ViewResult(view.name)
    view_labels = labels.of_view(view)
    if view_labels is None:
        return result
    by_phrase, camera = view_labels.by_phrase, view.camera.fit_within(max_side_px)
    for phrases, levels in level_maps_in_batches(session, camera, list(by_phrase), maps):
        for index, phrase in enumerate(phrases):  # one at a time: the labels' raster may be far larger than the maps
            mask, level = choose_level(resized_maps(levels[:, index], view_labels.width_px, view_labels.height_px))
            label = by_phrase[phrase]
            iou = float(ious(mask[None], truth_masks([label], mask.device))[0])
            result.questions.append(Question(phrase, label.kind, view.name, {"iou": iou}, {"level": level}))
    return result
