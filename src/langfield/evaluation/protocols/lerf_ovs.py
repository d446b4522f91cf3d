"""The protocols "lerf-ovs" and "lerf-ovs-held-out": what LangSplat's evaluation counts (Qin et al. 2024, §4.1 and its
`evaluate_iou_loc`), written anew.

For each labelled photo and each label in it, relevancy maps of all levels compete, where what is evaluated has several:
langfield's runs answer with one map, in which sizes of crops are taken together before. Segmentation takes the level
whose half-smoothed map has the highest value (before it is stretched) and that map's mask; localisation takes the level
whose box-filtered map has the highest value and all pixels that have it. Denominators are pairs of photo and label.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float32, Float64, Int64
from torch import Tensor

from langfield.core.errors import DataError
from langfield.data.views import Scene, View
from langfield.evaluation.askable import AskedAtLevels, asked_at_levels
from langfield.evaluation.labels.base import Label, Labels, ViewLabels
from langfield.evaluation.masks import box_filtered, cut, ious
from langfield.evaluation.metrics import resized_maps
from langfield.evaluation.questions import Question
from langfield.evaluation.result import ViewResult


@dataclass(frozen=True)
class LabelledViews:
    """Which labelled views are asked.

    Attributes:
        asked: in the scene's order.
        trained_on: names of those among them that the run was trained on.
        left_out: names of labelled views that are not asked, for they were trained on.
    """

    asked: tuple[View, ...]
    trained_on: tuple[str, ...]
    left_out: tuple[str, ...]


@dataclass(frozen=True)
class Found:
    """What P phrases' maps at L levels come to.

    Attributes:
        masks: of each phrase's level.
        level: the level of the mask.
        located_level: the level of the highest box-filtered value.
        row, column, phrase: every pixel that has that value, and whose it is.
    """

    masks: Bool[Tensor, "p h w"]
    level: Int64[Tensor, " p"]
    located_level: Int64[Tensor, " p"]
    row: Int64[Tensor, " t"]
    column: Int64[Tensor, " t"]
    phrase: Int64[Tensor, " t"]


def labelled_views(
    scene: Scene, labels: Labels, trained: Sequence[str], *, held_out: bool, advice: str = ""
) -> LabelledViews:
    """The scene's labelled views; with `held_out` only those that the run was never trained on.

    Args:
        trained: names of the photos that the run was trained on, exactly as the scene's files call them.
        advice: what else can be done where none is held out.

    Raises DataError if no view is labelled, or none that was not trained on.
    """
    covered = [view for view in scene.views if labels.covers(view)]
    if not covered:
        raise DataError("has no view with labels: give those of this scene (--queries)", scene.root)
    trained_on = tuple(view.name for view in covered if view.name in set(trained))
    if not held_out:
        return LabelledViews(tuple(covered), trained_on, ())
    asked = tuple(view for view in covered if view.name not in trained_on)
    if not asked:
        raise DataError(
            f"has {len(covered)} labelled views and all of them were trained on, so that none is held out: "
            f"name some in test_filenames (COLMAP: leave them out of images_train) and train again{advice}",
            scene.root,
        )
    return LabelledViews(asked, (), trained_on)


def choose(maps: Float32[Tensor, "l p h w"]) -> Found:
    """Masks and best pixels; of levels with equal maxima the first is taken."""
    count = maps.shape[1]
    masks = torch.zeros(maps.shape[1:], dtype=torch.bool, device=maps.device)
    peaks = masks.clone()
    level = torch.zeros(count, dtype=torch.int64, device=maps.device)
    located_level = level.clone()
    highest = maps.new_full((count,), -torch.inf)
    located = highest.clone()
    for number, raw in enumerate(maps):
        filtered = box_filtered(raw)
        smoothed = (raw + filtered) / 2
        better = smoothed.amax(dim=(1, 2)) > highest
        highest = torch.maximum(highest, smoothed.amax(dim=(1, 2)))
        level[better] = number
        masks[better] = cut(smoothed[better])
        top = filtered.amax(dim=(1, 2))
        better = top > located
        located = torch.maximum(located, top)
        located_level[better] = number
        peaks[better] = (filtered == top[:, None, None])[better]
    phrase, row, column = peaks.nonzero(as_tuple=True)
    return Found(masks, level, located_level, row, column, phrase)


def hits_a_box(pixels_xy: Int64[np.ndarray, "t 2"], boxes: Float64[np.ndarray, "b 4"]) -> bool:
    """Whether any pixel's index lies in any box, both ends included.

    Args:
        pixels_xy: column and row.
        boxes: x from, y from, x to, y to; the last two on the far edge of the last pixel, as `Label` has them.
    """
    low, high = boxes[:, :2], boxes[:, 2:] - 1
    return bool(((pixels_xy[:, None] >= low) & (pixels_xy[:, None] <= high)).all(axis=-1).any())


def measure(session: AskedAtLevels, view: View, labels: Labels, max_side_px: int | None) -> ViewResult:
    """Ask a labelled view for everything that is labelled in it; maps are brought to the labels' raster."""
    result = ViewResult(view.name)
    seen = labels.of_view(view)
    if seen is None:
        return result
    by_phrase = {label.phrase: label for label in seen.labels}
    camera = view.camera.fit_within(max_side_px)
    for phrases, maps in asked_at_levels(session, camera, list(by_phrase)):
        fitting = torch.stack([resized_maps(level, seen.width_px, seen.height_px) for level in maps])
        result.questions += _compared(choose(fitting), [by_phrase[phrase] for phrase in phrases], seen)
    return result


def _compared(found: Found, labels: Sequence[Label], seen: ViewLabels) -> list[Question]:
    truth = torch.from_numpy(np.stack([label.mask for label in labels])).to(found.masks.device)
    fits = ious(found.masks, truth).tolist()
    pixels = torch.stack([found.column, found.row], dim=1).cpu().numpy()
    owner = found.phrase.cpu().numpy()
    levels, located = found.level.tolist(), found.located_level.tolist()
    return [
        Question(
            label.phrase,
            label.kind,
            seen.view,
            {"hit": float(hits_a_box(pixels[owner == index], label.boxes)), "iou": fits[index]},
            {"level": levels[index], "located_level": located[index]},
        )
        for index, label in enumerate(labels)
    ]
