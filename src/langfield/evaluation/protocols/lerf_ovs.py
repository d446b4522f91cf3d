"""The protocols "lerf-ovs" and "lerf-ovs-held-out": LangSplat's mIoU and localisation accuracy on LERF-OVS's labels.

As its evaluation counts them (Qin et al. 2024, §4.1 and its `evaluate_iou_loc`), written anew. For each pair of a photo
and a label in it, the relevancy maps of all levels compete. Segmentation takes the level whose half-smoothed map
(`half_smoothed`, before it is stretched) has the highest value, and that map's mask. Localisation takes the level whose
box-filtered map has the highest value, and all pixels that have it.

The maps are raw or refined (`Session.level_maps`). Raw, the map of each crop level is what was rendered, and they
compete: the protocol as published, to be set beside papers' figures. Refined there is one map without a competitor, in
which crop levels were combined and smoothed over the scene's surface before: how good langfield's answers are by the
same measure.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float32, Float64, Int64
from torch import Tensor

from langfield.data.views import View
from langfield.evaluation.askable import SessionWithLevelMaps, level_maps_in_batches
from langfield.evaluation.labels.base import Label, Labels, ViewLabels
from langfield.evaluation.masks import box_filtered, ious, lerf_ovs_threshold, truth_masks
from langfield.evaluation.metrics import resized_maps
from langfield.evaluation.protocols.names import LevelMaps
from langfield.evaluation.questions import Question
from langfield.evaluation.result import ViewResult


@dataclass(frozen=True)
class LevelChoice:
    """For P phrases: the levels that won, their masks, and the T pixels that answer.

    Attributes:
        masks: the predicted masks, each of its phrase's `level`.
        level: with the highest half-smoothed value.
        located_level: with the highest box-filtered value.
        row: of every pixel of that level with that value.
        column: of the same pixels.
        phrase: the index of the phrase that each of them answers.
    """

    masks: Bool[Tensor, "p h w"]
    level: Int64[Tensor, " p"]
    located_level: Int64[Tensor, " p"]
    row: Int64[Tensor, " t"]
    column: Int64[Tensor, " t"]
    phrase: Int64[Tensor, " t"]


def choose_levels(maps: Float32[Tensor, "l p h w"]) -> LevelChoice:
    """The best of L levels for each phrase; of levels with equal maxima the first."""
    count = maps.shape[1]
    masks = torch.zeros(maps.shape[1:], dtype=torch.bool, device=maps.device)
    peaks = masks.clone()
    level = torch.zeros(count, dtype=torch.int64, device=maps.device)
    located_level = level.clone()
    highest = maps.new_full((count,), -torch.inf)
    highest_filtered = highest.clone()
    for number, raw in enumerate(maps):
        filtered = box_filtered(raw)
        smoothed = (raw + filtered) / 2
        top = smoothed.amax(dim=(1, 2))
        better = top > highest
        highest = torch.maximum(highest, top)
        level[better] = number
        masks[better] = lerf_ovs_threshold(smoothed[better])
        top = filtered.amax(dim=(1, 2))
        better = top > highest_filtered
        highest_filtered = torch.maximum(highest_filtered, top)
        located_level[better] = number
        peaks[better] = (filtered == top[:, None, None])[better]
    phrase, row, column = peaks.nonzero(as_tuple=True)
    return LevelChoice(masks, level, located_level, row, column, phrase)


def hits_a_box(pixels_xy: Int64[np.ndarray, "t 2"], boxes: Float64[np.ndarray, "b 4"]) -> bool:
    """Whether any pixel's index lies in any box, both ends included.

    Args:
        pixels_xy: column and row.
        boxes: x from, y from, x to, y to; the last two on the far edge of the last pixel, as `Label` has them.
    """
    low, high = boxes[:, :2], boxes[:, 2:] - 1
    return bool(((pixels_xy[:, None] >= low) & (pixels_xy[:, None] <= high)).all(axis=-1).any())


def measure(
    session: SessionWithLevelMaps, view: View, labels: Labels, max_side_px: int | None, maps: LevelMaps
) -> ViewResult:
    """Ask a labelled photo for everything that is labelled in it.

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
        on_raster = torch.stack([resized_maps(level, view_labels.width_px, view_labels.height_px) for level in levels])
        result.questions += _questions(choose_levels(on_raster), [by_phrase[text] for text in phrases], view_labels)
    return result


def _questions(choice: LevelChoice, labels: Sequence[Label], raster: ViewLabels) -> list[Question]:
    fits = ious(choice.masks, truth_masks(labels, choice.masks.device)).tolist()
    pixels = torch.stack([choice.column, choice.row], dim=1).cpu().numpy()
    phrase_of_pixel = choice.phrase.cpu().numpy()
    levels, located_levels = choice.level.tolist(), choice.located_level.tolist()
    return [
        Question(
            label.phrase,
            label.kind,
            raster.view,
            {"hit": float(hits_a_box(pixels[phrase_of_pixel == index], label.boxes)), "iou": fits[index]},
            {"level": levels[index], "located_level": located_levels[index]},
        )
        for index, label in enumerate(labels)
    ]
