"""Masks on a GPU: run lengths, pictures and crops as on a CPU, in little memory, without a wait for each mask."""

import numpy as np
import pytest
import torch
from tests.gpu.test_gpu_waits import waits_of

from langfield.features.mask_crops import mask_crops
from langfield.features.run_lengths import encode_runs

HEIGHT, WIDTH = 270, 480


def discs(count: int, height: int, width: int) -> torch.Tensor:
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:height, :width] + 0.5
    centres = rng.uniform(0, (width, height), (count, 2))
    radii = rng.uniform(4, height / 3, count)
    return torch.from_numpy(
        np.stack([(x - cx) ** 2 + (y - cy) ** 2 <= r**2 for (cx, cy), r in zip(centres, radii, strict=True)])
    )


@pytest.fixture(scope="module")
def masks() -> torch.Tensor:
    return discs(40, HEIGHT, WIDTH)


def test_runs_and_pictures_are_those_of_a_cpu(masks):
    used = torch.zeros(HEIGHT, WIDTH, dtype=torch.bool)
    used[10:, 30:] = True
    here, there = encode_runs(masks, used), encode_runs(masks.cuda(), used.cuda())
    np.testing.assert_array_equal(there.runs_px, here.runs_px)
    np.testing.assert_array_equal(there.first_run, here.first_run)
    assert torch.equal(there.dense("cuda").cpu(), masks & used)
    assert waits_of(lambda: there.dense("cuda")) == 0


def test_crops_are_those_of_a_cpu_and_nothing_waits(masks):
    photo = torch.randint(0, 256, (HEIGHT, WIDTH, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    runs, on_device = encode_runs(masks), photo.cuda()
    expected = torch.cat(list(mask_crops(photo, runs, 64, batch=16)))
    found = torch.cat(list(mask_crops(on_device, runs, 64, batch=16)))
    assert found.dtype == torch.float16
    torch.testing.assert_close(found.float().cpu(), expected, atol=2e-3, rtol=0)
    assert waits_of(lambda: list(mask_crops(on_device, runs, 64, batch=16))) == 0


def test_large_photos_are_encoded_and_decoded_in_little_memory():
    """300 masks of 1920×1080 are 620 MB; beside them a few hundred are needed, and a wait for every 32 masks."""
    masks = discs(30, 1080, 1920).cuda().repeat(10, 1, 1)
    encode_runs(masks[:2])
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    waits = waits_of(lambda: encode_runs(masks))
    assert torch.cuda.max_memory_allocated() - before < 400e6
    assert waits <= 3 * 10
    runs = encode_runs(masks)
    torch.cuda.reset_peak_memory_stats()
    same = runs.dense("cuda")
    assert torch.cuda.max_memory_allocated() - before < masks.numel() + 300e6
    assert torch.equal(same, masks)
