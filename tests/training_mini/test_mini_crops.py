"""Crops: their geometry against brute force, and what they are said to show."""

import numpy as np
import pytest
import torch
from tests.training_mini.fake_scenes import RGB, write_scenes
from training.mini.augment import Shares, warped
from training.mini.captions import Captions, build_captions, is_held_out
from training.mini.crops import WINDOW, Changes, Content, CropSampler, content_of, window_weights
from training.mini.cutting import Squares, cut, cut_with_mask, reach_px, resize_matrix
from training.mini.data import NOTHING, Pictures, boxes_of, read_pictures

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Pictures:
    return read_pictures(write_scenes(tmp_path_factory.mktemp("fake"), scenes=13))


@pytest.fixture(scope="module")
def captions(pictures: Pictures) -> Captions:
    return build_captions(pictures.identities)


@pytest.fixture(scope="module")
def sampler(pictures: Pictures, captions: Captions) -> CropSampler:
    torch.manual_seed(0)
    return CropSampler(pictures, captions, 32, CPU)


def _squares(left: float, top: float, side: float, black: bool = True) -> Squares:
    numbers = (torch.tensor([value]) for value in (left, top, side))
    return Squares(torch.tensor([0]), *numbers, black=torch.tensor([black]))


def _cut(rgb: torch.Tensor, squares: Squares, size: int, detail: float, flip: bool = False) -> torch.Tensor:
    return cut(rgb, squares, size, torch.tensor([detail]), torch.tensor([flip]), reach_px(96, int(detail)))


@pytest.mark.parametrize(("left", "top", "side"), [(7, 5, 32), (11, 3, 25), (0, 0, 60), (31, 22, 38), (20, 9, 51)])
@pytest.mark.parametrize("flip", [False, True])
def test_cuts_as_torch_resizes(left: int, top: int, side: int, flip: bool) -> None:
    rgb = torch.randint(0, 256, (1, 60, 80, 3), generator=torch.Generator().manual_seed(1)).byte()
    tile = rgb[:, top : top + side, left : left + side].permute(0, 3, 1, 2).float() / 255
    expected = torch.nn.functional.interpolate(tile, (32, 32), mode="bicubic", antialias=True).clamp(0, 1)
    made = _cut(rgb, _squares(left, top, side), 32, 32.0, flip)
    assert torch.allclose(made, expected.flip(3) if flip else expected, atol=2e-5)


@pytest.mark.parametrize("black", [True, False])
def test_outside_of_the_picture(black: bool) -> None:
    rgb = torch.randint(0, 256, (1, 60, 80, 3), generator=torch.Generator().manual_seed(2)).byte()
    picture = rgb.permute(0, 3, 1, 2).float() / 255
    padded = torch.nn.functional.pad(picture, (40,) * 4, mode="constant" if black else "replicate")
    for left, top, side in ((-16, 30, 40), (60, -10, 33), (50, 45, 50)):
        tile = padded[:, :, top + 40 : top + 40 + side, left + 40 : left + 40 + side]
        expected = torch.nn.functional.interpolate(tile, (32, 32), mode="bicubic", antialias=True).clamp(0, 1)
        assert torch.allclose(_cut(rgb, _squares(left, top, side, black), 32, 32.0), expected, atol=2e-5)


def test_tiles_between_pixels_have_finite_weights() -> None:
    """Small tiles from anywhere: each sample's weights sum to 1 and none is large. (Tiles of 12 px made of 120
    samples had samples that saw no pixel: two batches of a long training were not numbers.)"""
    start = torch.linspace(3, 5, 4001)
    for side in (12.0, 24.3, 40.0):
        sides = torch.full_like(start, side)
        matrix = resize_matrix(start, sides, torch.full_like(start, 120.0), start > 0, 64, 120, 4)
        assert torch.allclose(matrix.sum(dim=-1), torch.ones(()), atol=1e-4)
        assert matrix.abs().max() < 1.5


def test_less_detail_is_a_crop_shrunk_and_enlarged() -> None:
    ramp = torch.linspace(0, 255, 80).round().expand(60, 80)
    edges = torch.where((torch.arange(80) // 3) % 2 == 0, 0.0, 255.0).expand(60, 80)
    rgb = torch.stack([ramp, edges, ramp], dim=-1)[None].byte()
    sharp, dull = (_cut(rgb, _squares(10, 5, 48), 48, detail) for detail in (48.0, 12.0))
    assert torch.allclose(sharp[:, 0, :, 8:-8], dull[:, 0, :, 8:-8], atol=0.02)  # a ramp stays
    assert sharp[:, 1].std() > 0.4
    assert dull[:, 1, :, 8:-8].std() < 0.1  # stripes finer than the detail are gone


def test_boxes() -> None:
    ids = np.full((40, 50), 1, np.uint8)
    ids[5:20, 10:30] = 10
    ids[15:40, 25:50] = 12
    ids[0:5, 0:5] = 13  # too small
    assert boxes_of(ids) == [(10, (10, 5, 30, 20), 275), (12, (25, 15, 50, 40), 625)]


def test_histograms_by_brute_force(sampler: CropSampler, pictures: Pictures) -> None:
    squares = sampler.squares(200)
    found = sampler.histogram(squares).numpy()
    weights = window_weights(CPU).numpy().reshape(WINDOW, WINDOW)
    for b in range(0, 200, 7):
        expected = np.zeros(256)
        for row in range(WINDOW):
            for column in range(WINDOW):
                y = int(np.floor(squares.top[b] + (row + 0.5) / WINDOW * squares.side[b]))
                x = int(np.floor(squares.left[b] + (column + 0.5) / WINDOW * squares.side[b]))
                outside = not (0 <= y < 60 and 0 <= x < 80)
                inner = pictures.ids[int(squares.picture[b]), np.clip(y, 0, 59), np.clip(x, 0, 79)]
                expected[NOTHING if outside and squares.black[b] else inner] += weights[row, column]
        assert np.allclose(found[b], expected, atol=1e-5)
    assert np.allclose(found.sum(axis=1), 1, atol=1e-5)


def test_squares_frame_things_of_training_scenes(sampler: CropSampler, pictures: Pictures) -> None:
    squares = sampler.squares(2000)
    assert not pictures.held_out_scene[pictures.scene_of[squares.picture.numpy()]].any()
    assert (squares.side >= 24).all()
    assert (squares.side <= 60).all()
    assert torch.equal(squares.left, squares.left.round())
    middle = squares.left + squares.side / 2
    assert (middle >= -0.5).all()
    assert (middle <= 80.5).all()
    content = content_of(sampler.histogram(squares), torch.rand(2000, 257))
    assert 0.03 < (content.subject < 10).float().mean() < 0.25


def _content(shares: dict[int, float], u: float = 1.0) -> tuple[int, int, set[int]]:
    histogram = torch.zeros(1, 256)
    for thing, share in shares.items():
        histogram[0, thing] = share
    numbers = torch.rand(1, 257)
    numbers[0, 0] = u
    content = content_of(histogram, numbers)
    return int(content.subject), int(content.spoken), set(content.present[0].nonzero().flatten().tolist())


def test_what_crops_show() -> None:
    assert _content({10: 0.5, 11: 0.1, 1: 0.4}) == (10, 10, {10, 1})
    assert _content({10: 0.3, 11: 0.2, 1: 0.5})[2] == {10, 11, 1}
    assert _content({10: 0.3, 11: 0.2, 2: 0.5}, u=0.0)[1] == 11
    assert _content({10: 0.5, 1: 0.5}, u=0.0)[1] == 10  # the table must outweigh a thing to be spoken of instead
    assert _content({10: 0.1, 1: 0.9}, u=0.0)[1] == 1
    assert _content({10: 0.03, 1: 0.97}) == (1, 1, {1})
    assert _content({0: 0.5, 2: 0.2, 1: 0.3})[0] == 2  # sky counts as what is around
    assert _content({NOTHING: 0.8, 1: 0.2})[0] == 1


def test_batches_never_show_what_is_held_out(sampler: CropSampler, captions: Captions) -> None:
    assert any(is_held_out(*pair) for pair in captions.held_out_pairs)
    held = torch.from_numpy(captions.held_out)
    for _ in range(5):
        batch = sampler.batch(64)
        assert batch.pixels.shape == (64, 3, 32, 32)
        assert batch.pixels.min() >= 0
        assert batch.pixels.max() <= 1
        assert batch.valid.all()
        assert not batch.shown[:, : len(held)][:, held].any()
        phrases = torch.from_numpy(captions.phrase_of)[batch.caption]
        possible = torch.from_numpy(captions.possible)[:, phrases].T
        assert ((batch.shown[:, :-1] > 0) & possible).any(dim=1).all()  # each caption is true of something shown
        assert possible.gather(1, batch.spoken[:, None]).all()


def test_recoloured_and_gray_crops_are_captioned_without_colour(pictures: Pictures, captions: Captions) -> None:
    sampler = CropSampler(pictures, captions, 16, CPU, Shares(recoloured=0.5, gray=0.5, replaced=0.0, turned=0.0))
    identities = len(captions.identities)
    batch = sampler.batch(300)
    colourless = batch.spoken >= identities
    assert 0.5 < colourless.float().mean() < 0.85
    shown = batch.shown[:, :-1] > 0
    assert not (shown[:, :identities].any(dim=1) & colourless).any()  # twins only, also of what is beside the subject
    words = [captions.captions[c].split() for c in batch.caption[colourless].tolist()]
    assert not {word for caption in words for word in caption} & {*RGB, "brown", "ceramic", "rubber", "wooden"}
    assert {word for c in batch.caption.tolist() for word in captions.captions[c].split()} & set(RGB)


def test_what_replaces_the_surroundings_is_what_is_shown(pictures: Pictures, captions: Captions) -> None:
    sampler = CropSampler(pictures, captions, 16, CPU, Shares(recoloured=0.0, gray=0.0, replaced=1.0, turned=0.0))
    identities = torch.tensor([[0, 1, 2], [0, 3, 2], [4, 4, 4]]).repeat_interleave(1, dim=0)
    wide = torch.full((3, 256), len(captions.twin))
    wide[:, 10:13] = identities
    present = torch.zeros(3, 256).bool()
    present[0, [10, 11]] = present[1, [11, 12]] = present[2, 10] = True
    content = Content(torch.tensor([10, 11, 10]), torch.tensor([11, 12, 10]), present)
    no, yes = torch.zeros(3).bool(), torch.ones(3).bool()
    changes = Changes(no, no, torch.tensor([True, True, False]), torch.tensor([True, False, False]), yes.long() * 2)
    spoken, shown = sampler.said(content, wide, changes)
    assert spoken.tolist() == [0, 3, 4]
    assert [set(row.nonzero().flatten().tolist()) for row in shown] == [{0}, {3, 4}, {4}]


def test_masks_are_cut_like_pictures() -> None:
    rgb = torch.zeros(1, 60, 80, 3).byte()
    ids = torch.ones(1, 60, 80).byte()
    rgb[0, 20:40, 30:50], ids[0, 20:40, 30:50] = 255, 12
    arguments = (_squares(21, 11, 32), 32, torch.tensor([32.0]), torch.tensor([True]), 8)
    crops, mask = cut_with_mask(rgb, ids, torch.tensor([12]), *arguments)
    assert torch.allclose(crops[:, :1], mask, atol=1e-5)
    assert mask[0, 0, 20, 12] == 1
    assert mask[0, 0, 5, 5] == 0
    assert torch.equal(crops, cut(rgb, *arguments))


def test_crops_without_changes_are_what_is_evaluated(pictures: Pictures, captions: Captions) -> None:
    """The detour over a larger tile does not blur: far from its edges an unturned crop is the cut one."""
    sampler = CropSampler(pictures, captions, 32, CPU)
    squares = _squares(20, 15, 40, black=False)
    sizes, no = torch.tensor([32.0]), torch.tensor([False])
    arguments = (sizes * 1.25, no, reach_px(60, 20))
    large, mask = cut_with_mask(sampler.rgb, sampler.ids, torch.tensor([10]), squares.grown(1.25), 40, *arguments)
    middle = warped(torch.cat([large, mask], dim=1), 32, torch.rand(6, 1), share=0.0)[:, :3]
    assert torch.allclose(middle, large[:, :, 4:36, 4:36], atol=1e-4)
    plain = cut(sampler.rgb, squares, 32, sizes, no, reach_px(60, 20))
    assert (middle - plain)[:, :, 2:-2, 2:-2].abs().max() < 0.02
