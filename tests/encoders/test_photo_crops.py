"""Crops of photos in everything mode, against masks that are put together one by one."""

import itertools
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.encoders.test_sam import picture
from tests.encoders.tiny_sam import add_card, write_tiny

from langfield.encoders.masks.base import EverythingSettings
from langfield.encoders.masks.builtin import load_sam_with_card
from langfield.encoders.masks.crops import Crop, layers_of_crops
from langfield.encoders.masks.everything import Candidates, Region, masks_of_photo
from langfield.encoders.masks.frame import ModelFrame
from langfield.encoders.masks.sam import load_sam

CPU = torch.device("cpu")
KEEP_MOST = EverythingSettings(6, -100, 0, 1.0, 0.9, crop_layers=1, crop_points_per_side=4)


@pytest.fixture(autouse=True)
def float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("langfield.encoders.masks.sam.compute_dtype", lambda device: torch.float32)


@pytest.mark.parametrize("shape", [(480, 640), (1080, 1440), (333, 500), (50, 91), (7, 3), (1, 1)])
@pytest.mark.parametrize("layers", [0, 1, 2, 3])
def test_crops_of_a_layer_cover_the_photo_and_are_alike(shape, layers):
    crops = layers_of_crops(layers, *shape)
    assert crops[0] == [Crop.whole(*shape)]
    assert [len(part) for part in crops] == [4**layer for layer in range(layers + 1)]
    for part in crops:
        assert len({(crop.width_px, crop.height_px) for crop in part}) == 1
        covered = np.zeros(shape, dtype=np.int64)
        for crop in part:
            assert min(crop.left_px, crop.top_px) >= 0
            assert crop.right_px <= shape[1]
            assert crop.bottom_px <= shape[0]
            covered[crop.top_px : crop.bottom_px, crop.left_px : crop.right_px] += 1
        assert covered.min() >= 1


def test_crops_overlap_by_a_third_of_the_shorter_side():
    _, first = layers_of_crops(1, 480, 640)
    assert first[0].right_px - first[1].left_px == pytest.approx(480 * 512 / 1500, abs=2)
    assert first[0].bottom_px - first[2].top_px == pytest.approx(480 * 512 / 1500, abs=2)


def region(crop: Crop, logits: torch.Tensor, predicted_iou: list[float]) -> Region:
    """What a model of 64 px says of a crop."""
    frame = ModelFrame.padded(crop.height_px, crop.width_px, 64)
    count = len(logits)
    return Region(crop, frame, Candidates(logits, torch.tensor(predicted_iou), torch.ones(count)))


def square(left: int, top: int, side: int) -> torch.Tensor:
    """Logits of a square in the model's small masks of 32 px."""
    logits = torch.full((32, 32), -8.0)
    logits[top : top + side, left : left + side] = 8.0
    return logits


def test_what_a_crop_cuts_off_is_left_to_others_and_what_is_said_twice_is_said_once():
    """A photo of 64 × 64 and its crops: 43 px wide, the second begins at column 21."""
    (photo,), (_, right, _, _) = layers_of_crops(1, 64, 64)
    assert (right.left_px, right.top_px, right.width_px) == (21, 0, 43)
    whole_thing = square(12, 10, 8)  # pixels 24 to 40: in the right crop at 3 to 19
    scale = 64 / right.width_px
    same = torch.full((32, 32), -8.0)
    same[round(20 * scale / 2) : round(36 * scale / 2), round(3 * scale / 2) : round(19 * scale / 2)] = 8.0
    cut = square(0, 20, 6)  # reaches the crop's left edge
    at_top = square(20, 0, 5)  # reaches an edge that is the photo's, too
    settings = EverythingSettings(min_predicted_iou=0.5, min_stability=0.5, max_overlap_iou=0.7)
    found = masks_of_photo(
        [region(photo, whole_thing[None], [0.8]), region(right, torch.stack([same, cut, at_top]), [0.9, 0.95, 0.6])],
        settings, 64, 64,
    )  # fmt: skip
    assert found.predicted_iou.tolist() == pytest.approx([0.9, 0.6])
    assert found.masks.shape == (2, 64, 64)
    centre = found.masks[0].nonzero().float().mean(0)
    torch.testing.assert_close(centre, torch.tensor([27.5, 31.5]), atol=1.5, rtol=0)
    assert found.masks[1, 0].any()
    assert not found.masks[:, :, : right.left_px].any()


def greedy(masks: np.ndarray, max_iou: float) -> list[int]:
    """Which masks, best first, are kept: one after the other."""
    kept: list[int] = []
    for number, mask in enumerate(masks):
        ious = [(mask & masks[k]).sum() / max((mask | masks[k]).sum(), 1) for k in kept]
        if all(iou <= max_iou for iou in ious):
            kept.append(number)
    return kept


@pytest.mark.parametrize(("family", "height", "width"), [("sam", 96, 120), ("sam2", 96, 120), ("sam", 60, 45)])
def test_a_photo_with_crops_is_its_parts_put_together(family, height, width, tmp_path: Path):
    """The plain twin: each region proposed alone, pasted, without what is cut off, then one mask after the other."""
    folder, image = write_tiny(family, tmp_path), picture(height, width)
    proposer = load_sam(f"{family}:local-dir:{folder}", CPU, KEEP_MOST)
    found = proposer.propose(image)
    masks, said = [], []
    for number, crop in enumerate(itertools.chain(*layers_of_crops(1, height, width))):
        per_side = KEEP_MOST.crop_points_per_side if number else KEEP_MOST.points_per_side
        proposer.settings = EverythingSettings(per_side, -100, 0, 1.0, 0.9)
        own = proposer.propose(crop.of(image))
        pasted = torch.zeros(len(own.masks), height, width, dtype=torch.bool)
        crop.paste(own.masks, pasted)
        whole = ~crop.cuts(own.masks, height, width)
        masks.append(pasted[whole])
        said.append(own.predicted_iou[whole])
    order = torch.cat(said).argsort(descending=True, stable=True)
    all_masks = torch.cat(masks)[order].numpy()
    expected = torch.from_numpy(all_masks[greedy(all_masks, 0.9)])
    assert len(found.masks) == len(expected) > 0
    assert torch.equal(found.masks, expected)
    assert (found.predicted_iou.diff() <= 0).all()


def test_masks_of_large_photos_are_compared_small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """A photo of 480 × 640 is compared at 288 × 384: nearly the same masks are kept as at its own size."""
    proposer = load_sam(f"sam:local-dir:{write_tiny('sam', tmp_path)}", CPU, KEEP_MOST)
    image = picture(480, 640)
    small = proposer.propose(image)
    monkeypatch.setattr("langfield.encoders.masks.everything._COMPARED_PX", 640)
    whole = proposer.propose(image)
    assert small.masks.shape[1:] == (480, 640)
    assert abs(len(small.masks) - len(whole.masks)) <= 0.2 * len(whole.masks)
    same = sum(bool((whole.masks == mask).flatten(1).all(1).any()) for mask in small.masks)
    assert same >= 0.8 * len(small.masks)


def test_a_scaled_crop_is_the_same_part_of_the_photo():
    crop = layers_of_crops(1, 480, 640)[1][3]
    assert crop.scaled(480, 640, (480, 640)) == crop
    half = crop.scaled(240, 320, (480, 640))
    assert (half.right_px, half.bottom_px) == (320, 240)
    assert half.left_px == pytest.approx(crop.left_px / 2, abs=1)
    assert Crop(3, 3, 2, 2).scaled(2, 2, (480, 640)) == Crop(0, 0, 1, 1)


def test_a_cpu_searches_no_crops_but_is_the_same_encoder(tmp_path: Path):
    folder = shutil.copytree(write_tiny("sam", tmp_path / "tiny"), tmp_path / "masks")
    add_card(folder, points_per_side=6, crop_layers=1)
    proposer = load_sam_with_card(folder, "builtin:masks", CPU)
    with_crops = load_sam(f"sam:local-dir:{folder}", CPU, EverythingSettings(points_per_side=6, crop_layers=1))
    without = load_sam(f"sam:local-dir:{folder}", CPU, EverythingSettings(points_per_side=6))
    assert proposer.settings.crop_layers == 0
    assert proposer.card.config_sha256 == with_crops.card.config_sha256 != without.card.config_sha256


def test_settings_without_crops_are_those_of_before_there_were_crops():
    assert set(EverythingSettings().to_json()) == {
        "points_per_side", "min_predicted_iou", "min_stability", "stability_offset", "max_overlap_iou",
    }  # fmt: skip
    assert EverythingSettings(crop_layers=1).to_json()["crop_points_per_side"] == 16
