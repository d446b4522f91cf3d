"""The target "mask": packed bits against loops over a photo's masks, and how scales are drawn."""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from langfield.core.cameras import Camera
from langfield.core.errors import DataError
from langfield.core.transforms import Similarity
from langfield.data.views import Scene, View
from langfield.features.mask_targets import MaskTargets
from langfield.features.photos import TrainingPhotos
from langfield.features.targets import TargetSource

SIZES = {1: (9, 7), 3: (12, 5), 4: (6, 6)}  # width, height


class Given:
    """Masks and scales by photo."""

    def __init__(self, masks: Mapping[int, torch.Tensor], scales: Mapping[int, torch.Tensor]) -> None:
        self.masks, self.scales = masks, scales

    def masks_of_photo(self, view_index: int) -> torch.Tensor:
        return self.masks[view_index]

    def scales_of_photo(self, view_index: int) -> torch.Tensor:
        return self.scales[view_index]


def photos() -> TrainingPhotos:
    views = []
    for index in range(5):
        width, height = SIZES.get(index, (8, 8))
        camera = Camera(np.eye(4), width, height, 10.0, 10.0, width / 2, height / 2)
        views.append(View(f"{index}.png", Path(f"{index}.png"), camera))
    frame = Similarity(np.eye(3), np.zeros(3), 1.0)
    scene = Scene(Path(), "test", tuple(views), tuple(SIZES), (0, 2), None, frame)
    return TrainingPhotos(scene, tuple(SIZES))


def random_masks(counts: tuple[int, int, int], seed: int) -> Given:
    generator = torch.Generator().manual_seed(seed)
    masks, scales = {}, {}
    for (index, (width, height)), count in zip(SIZES.items(), counts, strict=True):
        masks[index] = torch.rand(count, height, width, generator=generator) < 0.3
        scales[index] = 0.1 + torch.rand(count, generator=generator)
    return Given(masks, scales)


def every_pixel() -> tuple[torch.Tensor, torch.Tensor]:
    view, xy = [], []
    for index, (width, height) in SIZES.items():
        y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        xy.append(torch.stack([x, y], dim=-1).reshape(-1, 2) + 0.5)
        view.append(torch.full((width * height,), index))
    return torch.cat(view), torch.cat(xy)


def by_loops(masks: Given, view: int, x: int, y: int, scale: float) -> int:
    """The largest mask of at most the scale that holds the pixel."""
    found, largest = -1, 0.0
    for number, (mask, own) in enumerate(zip(masks.masks[view], masks.scales[view], strict=True)):
        if mask[y, x] and largest < own <= scale:
            found, largest = number, float(own)
    return found


@given(counts=st.tuples(*[st.integers(0, 20)] * 3).filter(any), seed=st.integers(0, 1000), scale=st.floats(0.05, 1.3))
@settings(deadline=None, max_examples=30)
def test_packed_masks_are_the_masks(counts, seed, scale):
    masks = random_masks(counts, seed)
    targets = MaskTargets(photos(), masks, "cpu")
    view, xy = every_pixel()
    found = targets.mask_at(view, xy, torch.full((len(view),), scale))
    wanted = [by_loops(masks, int(v), int(x), int(y), scale) for v, (x, y) in zip(view, xy, strict=True)]
    assert found.tolist() == wanted


def test_a_photo_has_one_scale_a_step_uniform_in_its_logarithm():
    masks = random_masks((5, 6, 7), 0)
    source = MaskTargets(photos(), masks, "cpu")
    assert isinstance(source, TargetSource)
    view, xy = every_pixel()
    generator, drawn = torch.Generator().manual_seed(0), []
    for _ in range(2000):
        targets = source.sample(view, xy, generator)
        assert torch.equal(targets["mask_photo"], view)
        per_photo = [targets["mask_scale"][view == index].unique() for index in SIZES]
        assert all(len(scale) == 1 for scale in per_photo)
        drawn.append(torch.cat(per_photo))
    assert torch.equal(targets["mask"], source.mask_at(view, xy, targets["mask_scale"]))
    assert torch.equal(targets["mask_larger"], source.mask_at(view, xy, targets["mask_larger_scale"]))
    low, high = source.scale_range
    assert (targets["mask_larger_scale"] >= targets["mask_scale"]).all()
    assert (targets["mask_larger_scale"] <= high * 1.0001).all()
    assert not torch.equal(targets["mask_larger_scale"], targets["mask_scale"])
    every = torch.cat([masks.scales[index] for index in SIZES])
    assert low == pytest.approx(float(every.quantile(0.02)))
    assert high == pytest.approx(1.5 * float(every.quantile(0.98)))
    place = (torch.stack(drawn) / low).log() / math.log(high / low)
    assert 0 <= place.min() < 0.01
    assert 0.99 < place.max() < 1
    # Three draws a step: the mean of 6000 uniform numbers is 1/2 within 4 standard errors of √(1/12/6000).
    assert abs(float(place.mean()) - 0.5) < 0.015
    assert np.corrcoef(place.T.numpy())[0, 1] == pytest.approx(0, abs=0.1)


def test_the_generator_says_it_all():
    source = MaskTargets(photos(), random_masks((5, 6, 7), 0), "cpu")
    view, xy = every_pixel()
    a, b, c = (source.sample(view, xy, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert not torch.equal(a["mask"], c["mask"])


def test_masks_of_unknown_scale_are_left_out_and_numbers_stay():
    masks = random_masks((4, 4, 4), 0)
    masks.scales[3][:2] = torch.tensor([math.inf, math.nan])
    view, xy = every_pixel()
    found = MaskTargets(photos(), masks, "cpu").mask_at(view, xy, torch.full((len(view),), 100.0))
    assert set(found[view == 3].tolist()) <= {-1, 2, 3}
    assert {2, 3} <= set(found[view == 3].tolist())


def test_what_does_not_fit_is_named():
    masks = random_masks((2, 2, 2), 0)
    masks.masks[3] = masks.masks[3][:, :4]
    with pytest.raises(DataError, match=r"3\.png: the masks have the shape \[2, 4, 12\]; 2 of 5 by 12 pixels"):
        MaskTargets(photos(), masks, "cpu")
    with pytest.raises(DataError, match="no photo has a mask of a known scale"):
        MaskTargets(photos(), random_masks((0, 0, 0), 0), "cpu")
