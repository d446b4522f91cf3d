"""Prompts that are asked again in a crop, with an encoder that is as sharp as its picture is small."""

import shutil
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from tests.encoders.tiny_sam import add_card, write_tiny

from langfield.core.errors import DataError
from langfield.encoders.masks.base import NO_POINT, PromptableImage, PromptedMasks, check_prompts
from langfield.encoders.masks.builtin import load_sam_with_card
from langfield.encoders.masks.sam import SamImage
from langfield.encoders.masks.zoom import ZoomedImage

SIDE = 32  # of what the encoder sees
CPU = torch.device("cpu")


class Coarse:
    """A photo's pixels of the colour at a point, in blocks of the size at which 32 make the photo; three candidates:
    a quarter of it, all of it, and everything that is not black."""

    asked: ClassVar[list[tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]]] = []

    def __init__(self, image: torch.Tensor) -> None:
        self.image = image

    def masks_at(
        self, points_px: torch.Tensor, labels: torch.Tensor, boxes_px: torch.Tensor | None = None
    ) -> PromptedMasks:
        check_prompts(points_px, labels, boxes_px)
        Coarse.asked.append((points_px, labels, boxes_px))
        height, width = self.image.shape[:2]
        block = max(1, max(height, width) // SIDE)
        found = torch.zeros(len(labels), 3, height, width, dtype=torch.bool)
        for row in range(len(labels)):
            if points_px.shape[1]:
                x, y = points_px[row, 0].long().tolist()
            else:
                assert boxes_px is not None
                left, top, right, bottom = boxes_px[row].tolist()
                x, y = int((left + right) / 2), int((top + bottom) / 2)
            same = (self.image == self.image[y, x]).all(-1)
            coarse = same[::block, ::block].repeat_interleave(block, 0).repeat_interleave(block, 1)[:height, :width]
            found[row, 1, : coarse.shape[0], : coarse.shape[1]] = coarse
            found[row, 0] = found[row, 1]
            found[row, 0, :, : int(x)] = False
            found[row, 2] = self.image.sum(-1) > 0
        return PromptedMasks(found, torch.tensor([[0.5, 0.7, 0.9]]).expand(len(labels), 3) + block / 1000)


def photo() -> torch.Tensor:
    """320 × 240: a small red square, a blue bar over all of it, black elsewhere."""
    image = torch.zeros(240, 320, 3, dtype=torch.uint8)
    image[101:118, 203:221, 0] = 200
    image[30:60, :, 2] = 200
    return image


def zoomed(image: torch.Tensor, zoom: float = 3.0) -> ZoomedImage:
    Coarse.asked = []
    return ZoomedImage(image, Coarse(image), Coarse, zoom)


def one_point(x: float, y: float) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.tensor([[[x, y]]]), torch.ones(1, 1, dtype=torch.int64)


def test_a_small_thing_is_as_sharp_as_the_photo():
    image = photo()
    true = image[..., 0] > 0
    coarse = Coarse(image).masks_at(*one_point(210.5, 110.5)).masks[0, 1]
    found = zoomed(image).masks_at(*one_point(210.5, 110.5))
    assert not torch.equal(coarse, true)
    assert torch.equal(found.masks[0, 1], true)
    assert torch.equal(found.masks[0, 0], true & (torch.arange(320) >= 210))
    assert isinstance(zoomed(image), PromptableImage)
    areas = found.masks.flatten(2).sum(2)
    assert (areas.diff(dim=1) >= 0).all()


def test_a_candidate_beyond_the_crop_stays_the_whole_photos():
    image = photo()
    found = zoomed(image).masks_at(*one_point(210.5, 110.5))
    assert torch.equal(found.masks[0, 2], image.sum(-1) > 0)
    assert found.predicted_iou[0].tolist() == pytest.approx([0.501, 0.701, 0.91])


def test_what_fills_the_photo_is_asked_once():
    found = zoomed(photo()).masks_at(*one_point(100.5, 40.5))
    assert len(Coarse.asked) == 1
    assert torch.equal(found.masks, Coarse(photo()).masks_at(*one_point(100.5, 40.5)).masks)


def test_boxes_and_points_go_with_the_crop():
    image = photo()
    points = torch.tensor([[[210.5, 110.5], [10.0, 200.0], [206.0, 95.0]]])
    labels = torch.tensor([[1, 0, 0]])
    box = torch.tensor([[203.0, 101.0, 221.0, 118.0]])
    zoomed(image).masks_at(points, labels, box)
    (_, _, _), (moved, kinds, moved_box) = Coarse.asked
    assert kinds.tolist() == [[1, NO_POINT, 0]]
    corner = points[0, 0] - moved[0, 0]
    assert moved_box is not None
    torch.testing.assert_close(moved_box + corner.repeat(2), box)
    torch.testing.assert_close(moved[0, 2] + corner, points[0, 2])


def test_a_crop_holds_all_points_of_the_thing_even_at_the_rim():
    image = torch.zeros(240, 320, 3, dtype=torch.uint8)
    image[230:, 300:, 1] = 90
    points, labels = torch.tensor([[[319.5, 239.5], [290.0, 200.5]]]), torch.ones(1, 2, dtype=torch.int64)
    zoomed(image, 2.0).masks_at(points, labels)
    moved = Coarse.asked[1][0][0]
    assert (moved >= 0).all()
    none, box = torch.zeros(1, 0, dtype=torch.int64), torch.tensor([[300.0, 230, 320, 240]])
    found = zoomed(image, 2.0).masks_at(torch.zeros(1, 0, 2), none, box)
    assert torch.equal(found.masks[0, 1], image[..., 1] > 0)


def test_no_prompts_and_nothing_found_are_no_crops():
    empty = zoomed(photo()).masks_at(torch.zeros(0, 1, 2), torch.zeros(0, 1, dtype=torch.int64))
    assert empty.masks.shape == (0, 3, 240, 320)
    image = torch.zeros(240, 320, 3, dtype=torch.uint8)
    image[7, 5] = 9  # between the blocks' corners: the coarse mask has no pixel
    found = zoomed(image).masks_at(*one_point(5.5, 7.5))
    assert not found.masks[0, 1].any()
    assert len(Coarse.asked) == 1


class Fading(Coarse):
    """As `Coarse`, but in a crop it finds nothing, or all of the crop."""

    all_of_it = False

    def masks_at(
        self, points_px: torch.Tensor, labels: torch.Tensor, boxes_px: torch.Tensor | None = None
    ) -> PromptedMasks:
        found = super().masks_at(points_px, labels, boxes_px)
        return PromptedMasks(torch.full_like(found.masks, self.all_of_it), found.predicted_iou)


@pytest.mark.parametrize("all_of_it", [False, True])
def test_what_a_crop_finds_empty_or_cuts_off_stays_the_whole_photos(all_of_it: bool, monkeypatch):
    monkeypatch.setattr(Fading, "all_of_it", all_of_it)
    image = photo()
    whole = Coarse(image).masks_at(*one_point(210.5, 110.5))
    found = ZoomedImage(image, Coarse(image), Fading, 3.0).masks_at(*one_point(210.5, 110.5))
    assert torch.equal(found.masks, whole.masks)
    assert torch.equal(found.predicted_iou, whole.predicted_iou)


def test_the_card_says_how_far_to_zoom(tmp_path: Path):
    folder = shutil.copytree(write_tiny("sam", tmp_path / "tiny"), tmp_path / "masks")
    add_card(folder)
    image = torch.randint(0, 255, (48, 72, 3), dtype=torch.uint8)
    assert isinstance(load_sam_with_card(folder, "builtin:masks", CPU).embed(image), SamImage)
    card = (folder / "langfield_card.json").read_text()
    (folder / "langfield_card.json").write_text(card.replace("{", '{"prompt_zoom": 3, ', 1))
    proposer = load_sam_with_card(folder, "builtin:masks", CPU)
    found = proposer.embed(image).masks_at(*one_point(20.5, 20.5))
    assert found.masks.shape == (1, 3, 48, 72)
    (folder / "langfield_card.json").write_text(card.replace("{", '{"prompt_zoom": 0.5, ', 1))
    with pytest.raises(DataError, match="prompt_zoom"):
        load_sam_with_card(folder, "builtin:masks", CPU)
