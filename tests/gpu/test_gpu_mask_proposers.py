"""Masks of everything on a GPU: what a CPU says, and without waiting for each mask."""

import warnings
from pathlib import Path

import pytest
import torch
from tests.encoders.test_sam import KEEP_MOST, picture
from tests.encoders.tiny_sam import write_tiny

from langfield.encoders.masks.base import EverythingSettings
from langfield.encoders.masks.sam import SamProposer, grid_points, load_sam
from langfield.encoders.masks.suppression import best_of_overlapping, mask_ious

FAMILIES = ("sam", "sam2")
SHAPE = (120, 160)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {family: write_tiny(family, tmp_path_factory.mktemp(family)) for family in FAMILIES}


def load(family: str, folder: Path, device: str) -> SamProposer:
    return load_sam(f"{family}:local-dir:{folder}", torch.device(device), KEEP_MOST)


@pytest.mark.parametrize("family", FAMILIES)
def test_prompts_are_what_a_cpu_says(family, folders, monkeypatch):
    """In float32, TensorFloat-32 off: predicted IoU within 0.005, areas within 1 % of the photo."""
    monkeypatch.setattr("langfield.encoders.masks.sam.compute_dtype", lambda device: torch.float32)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    points, labels = torch.tensor([[[40.5, 60.5]], [[100.0, 20.0]]]), torch.ones(2, 1, dtype=torch.int64)
    cpu, cuda = (
        load(family, folders[family], device).embed(picture(*SHAPE)).masks_at(points, labels)
        for device in ("cpu", "cuda")
    )
    assert cuda.masks.device.type == "cuda"
    torch.testing.assert_close(
        cuda.predicted_iou.cpu().sort(1).values, cpu.predicted_iou.sort(1).values, atol=5e-3, rtol=5e-3
    )
    areas = [each.masks.cpu().flatten(2).sum(2) for each in (cpu, cuda)]
    assert (areas[0] - areas[1]).abs().max() <= 0.01 * SHAPE[0] * SHAPE[1]


@pytest.mark.parametrize("family", FAMILIES)
def test_half_precision_says_what_single_says(family, folders, monkeypatch):
    half = load(family, folders[family], "cuda")
    monkeypatch.setattr("langfield.encoders.masks.sam.compute_dtype", lambda device: torch.float32)
    single = load(family, folders[family], "cuda")
    assert (half.network.dtype, single.network.dtype) == (torch.float16, torch.float32)
    points = grid_points(6, *SHAPE, torch.device("cuda"))
    a, b = (each.embedded(picture(*SHAPE)).candidates(points, 1.0) for each in (half, single))
    assert ((a.logits > 0) != (b.logits > 0)).float().mean() < 0.02
    assert (a.predicted_iou - b.predicted_iou).abs().max() < 0.05


@pytest.mark.parametrize("family", FAMILIES)
def test_decoding_a_grid_never_waits(family, folders, monkeypatch):
    proposer = load(family, folders[family], "cuda")
    monkeypatch.setattr("langfield.encoders.masks.sam._CHUNK_BYTES", {"cuda": 1})  # a chunk for each point
    embedded = proposer.embedded(picture(*SHAPE))
    points = grid_points(6, *SHAPE, torch.device("cuda"))
    embedded.candidates(points[:2], 1.0)
    try:
        torch.cuda.set_sync_debug_mode("error")
        found = embedded.candidates(points, 1.0)
        masks = embedded.frame.masks(found.logits)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert masks.shape == (108, *SHAPE)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_photo_waits_a_few_times_however_many_points(family, folders, monkeypatch):
    """The picture's way to the device, the encoder's tables, and what was kept: no more for 400 points than for 36."""
    waits = []
    for per_side in (6, 20):
        proposer = load(family, folders[family], "cuda")
        proposer.settings = type(KEEP_MOST)(per_side, -100, 0, 1.0, 0.95)
        proposer.propose(picture(*SHAPE))
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            try:
                torch.cuda.set_sync_debug_mode("warn")
                found = proposer.propose(picture(*SHAPE))
            finally:
                torch.cuda.set_sync_debug_mode("default")
        assert len(found.masks) > 1
        waits.append(sum("called a synchronizing" in str(warning.message) for warning in seen))
    rounds = 3  # in which suppression looks whether it is done
    assert waits[1] <= waits[0] + rounds


def test_suppression_is_exact_on_the_device():
    generator = torch.Generator().manual_seed(0)
    seeds = torch.rand(300, 1, 5, 5, generator=generator)
    masks = torch.nn.functional.interpolate(seeds, (90, 90), mode="bilinear")[:, 0] > 0.4
    ious = mask_ious(masks)
    torch.testing.assert_close(mask_ious(masks.cuda()).cpu(), ious, atol=1e-6, rtol=1e-6)
    assert torch.equal(best_of_overlapping(ious.cuda(), 0.6).cpu(), best_of_overlapping(ious, 0.6))


def test_a_recorded_picture_is_the_same_and_waits_no_more(folders):
    proposer, pixels = load("sam", folders["sam"], "cuda"), []
    frame = proposer.embedded(picture(*SHAPE)).frame
    for seed in range(4):
        photo = picture(*SHAPE, seed=seed).cuda()
        pixels.append(frame.pixels(photo[None], torch.zeros(3, 1, 1).cuda(), torch.ones(3, 1, 1).cuda()))
    network, again = proposer.network, load("sam", folders["sam"], "cuda").network
    proposer.network.embed(pixels[0])  # the second photo: recorded
    for photo in pixels:
        torch.testing.assert_close(network.embed(photo)[0], again.embed(photo)[0], atol=1e-2, rtol=1e-2)
    try:
        torch.cuda.set_sync_debug_mode("error")
        network.embed(pixels[0])
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_a_photo_with_crops_is_the_same_recorded(folders):
    """The first photo is decoded kernel by kernel, the second one records, the third one replays; another photo's
    result lives on when a later one is decoded."""
    settings = EverythingSettings(6, -100, 0, 1.0, 0.9, crop_layers=1, crop_points_per_side=4)
    proposer = load_sam(f"sam:local-dir:{folders['sam']}", torch.device("cuda"), settings)
    image, other = picture(*SHAPE), picture(*SHAPE, seed=9)
    first = proposer.propose(image)
    begun = proposer.begin(image)
    proposer.begin(other)
    for found in (begun(), proposer.propose(image)):
        torch.testing.assert_close(found.predicted_iou, first.predicted_iou, atol=2e-3, rtol=2e-3)
        assert (found.masks != first.masks).float().mean() < 1e-3
    assert {key[1] for key, grid in proposer._recorded.items() if grid.recorded} == {6, 4}
