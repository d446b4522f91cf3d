import pytest
import torch

from langfield.core.errors import UsageError
from langfield.encoders.masks.base import MaskProposer, PromptableImage
from langfield.encoders.masks.superpixels import SuperpixelProposer
from langfield.encoders.registry import check_masks_spec, load_masks

HEIGHT, WIDTH = 180, 240


def photo() -> torch.Tensor:
    """A dark table, a red square with a white window, a green one beside it; a little noise."""
    image = torch.full((HEIGHT, WIDTH, 3), 40, dtype=torch.uint8)
    image[30:150, 24:120] = torch.tensor([200, 20, 20], dtype=torch.uint8)
    image[60:102, 42:84] = torch.tensor([240, 240, 240], dtype=torch.uint8)
    image[60:132, 150:222] = torch.tensor([10, 180, 30], dtype=torch.uint8)
    noise = torch.randint(0, 6, image.shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    return image + noise


@pytest.fixture(scope="module")
def proposer() -> MaskProposer:
    return load_masks("superpixels")


def iou(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a & b).sum() / (a | b).sum())


def test_the_protocols(proposer):
    assert isinstance(proposer, MaskProposer)
    assert isinstance(proposer.embed(photo()), PromptableImage)


def test_regions_cover_every_pixel_and_things_are_among_them(proposer):
    found = proposer.propose(photo())
    assert found.masks.shape[1:] == (HEIGHT, WIDTH)
    assert found.masks.any(0).all()
    assert found.areas_px.min() > 0
    green = torch.zeros(HEIGHT, WIDTH, dtype=torch.bool)
    green[60:132, 150:222] = True
    assert max(iou(mask, green) for mask in found.masks) > 0.9


def test_each_region_is_said_once(proposer):
    flat = proposer.propose(photo()).masks.flatten(1)
    assert len(torch.unique(flat, dim=0)) == len(flat)


def test_twice_the_same(proposer):
    assert torch.equal(proposer.propose(photo()).masks, SuperpixelProposer(torch.device("cpu")).propose(photo()).masks)


def test_a_large_photo_has_regions_at_its_own_size(proposer):
    large = photo().repeat_interleave(4, 0).repeat_interleave(4, 1)
    found = proposer.propose(large)
    assert found.masks.shape[1:] == (4 * HEIGHT, 4 * WIDTH)
    assert found.masks.any(0).all()


def test_a_point_gives_the_region_there_at_each_granularity(proposer):
    points = torch.tensor([[[180.5, 90.5]], [[30.5, 36.5]]])
    found = proposer.embed(photo()).masks_at(points, torch.ones(2, 1, dtype=torch.int64))
    assert found.masks.shape == (2, 3, HEIGHT, WIDTH)
    assert found.predicted_iou.shape == (2, 3)
    assert found.masks[0, :, 90, 180].all()
    assert found.masks[1, :, 36, 30].all()
    areas = found.masks.flatten(2).sum(2)
    assert (areas.diff(dim=1) >= 0).all()


def test_points_that_say_no_take_regions_away_and_no_points_do_nothing(proposer):
    points = torch.tensor([[[180.5, 90.5], [30.5, 36.5], [0.0, 0.0]]])
    embedded = proposer.embed(photo())
    both = embedded.masks_at(points, torch.tensor([[1, 1, -10]])).masks[0, 0]
    one = embedded.masks_at(points, torch.tensor([[1, 0, -10]])).masks[0, 0]
    assert both[90, 180]
    assert both[36, 30]
    assert one[90, 180]
    assert not one[36, 30]
    assert not both[0, 0]


def test_a_box_gives_what_lies_in_it(proposer):
    nothing = torch.zeros(1, 0, 2), torch.zeros(1, 0, dtype=torch.int64)
    found = proposer.embed(photo()).masks_at(*nothing, torch.tensor([[144.0, 54.0, 228.0, 138.0]]))
    green = torch.zeros(HEIGHT, WIDTH, dtype=torch.bool)
    green[60:132, 150:222] = True
    assert max(iou(mask, green) for mask in found.masks[0]) > 0.9


def test_a_prompt_without_anything_is_refused(proposer):
    with pytest.raises(ValueError, match="a point or a box"):
        proposer.embed(photo()).masks_at(torch.zeros(1, 0, 2), torch.zeros(1, 0, dtype=torch.int64))


@pytest.mark.parametrize("spec", ["superpixels:fine", "superpixel", "sam", "sam:", "openclip:ViT-B-16"])
def test_what_is_no_spec(spec):
    with pytest.raises(UsageError, match="names no mask encoder"):
        check_masks_spec(spec)


def test_specs_that_are_known():
    for spec in ("superpixels", "builtin:masks", "sam:facebook/sam-vit-base", "sam2:local-dir:somewhere"):
        check_masks_spec(spec)
