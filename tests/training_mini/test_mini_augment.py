"""What crops are changed to: by hand, and by what must stay."""

import math

import pytest
import torch
from training.mini import augment

SEEDED = torch.Generator().manual_seed(0)


def _crops(count: int = 3, channels: int = 3, size: int = 20) -> torch.Tensor:
    return torch.rand(count, channels, size, size, generator=SEEDED)


def test_a_quarter_of_nothing_turns_nothing() -> None:
    crops = _crops(channels=4)
    assert torch.allclose(
        augment.warped(crops, 16, torch.full((6, 3), 0.5), share=1.0), crops[:, :, 2:18, 2:18], atol=1e-5
    )


@pytest.mark.parametrize(("row", "number"), [(1, 0.0), (1, 1.0), (2, 0.0), (2, 1.0), (3, 1.0), (4, 0.0), (5, 1.0)])
def test_warped_crops_keep_their_middle(row: int, number: float) -> None:
    y, x = torch.meshgrid(torch.linspace(-1, 1, 80), torch.linspace(-1, 1, 80), indexing="ij")
    u = torch.full((6, 1), 0.5)
    u[0], u[row] = 0.0, number
    for ramp in (x, y):
        warped = augment.warped(ramp[None, None], 64, u, share=1.0)[0, 0]
        assert warped[31:33, 31:33].mean().abs() < 0.01
    assert (augment.warped(x[None, None], 64, u, share=1.0)[0, 0] - x[8:72, 8:72]).abs().max() > 0.03


def test_turning_by_twelve_degrees() -> None:
    _, x = torch.meshgrid(torch.linspace(-1, 1, 80), torch.linspace(-1, 1, 80), indexing="ij")
    u = torch.full((6, 1), 0.5)
    u[0], u[1] = 0.0, 1.0
    turned = augment.warped(x[None, None], 64, u, share=1.0)[0, 0]
    across, down = turned[32, 40] - turned[32, 24], turned[40, 32] - turned[24, 32]
    assert math.degrees(math.atan2(-down, across)) == pytest.approx(12, abs=0.2)


def test_a_third_of_the_hue_circle_permutes_the_channels() -> None:
    one = torch.ones(1)
    matrix = augment.colour_matrix(one * 2 * math.pi / 3, one, torch.ones(1, 3))[0]
    assert sorted(matrix.argmax(dim=1).tolist()) == [0, 1, 2]
    assert torch.allclose(matrix.amax(dim=1), torch.ones(3), atol=1e-6)
    assert torch.allclose(augment.colour_matrix(one, 0 * one, torch.ones(1, 3)), torch.full((1, 3, 3), 1 / 3))
    tints = augment.tints(torch.tensor([0.0, 1 / 3, 0.4]), torch.tensor([1.0, 1.0, 0.0]))
    assert torch.allclose(tints[2], torch.ones(3))
    assert tints[0].argmax() != tints[1].argmax()


def test_recolours_what_is_chosen_and_only_the_subject() -> None:
    crops, mask = _crops(), torch.zeros(3, 1, 20, 20)
    mask[:, :, 5:15, 5:15] = 1
    u = torch.rand(7, 3, generator=SEEDED)
    u[6] = torch.tensor([0.9, 0.1, 0.9])  # the first only where the mask is
    made = augment.recoloured(crops, mask, torch.tensor([1.0, 1.0, 0.0]), u)
    changed = (made != crops).any(dim=1)
    assert torch.equal(changed[0], mask[0, 0] > 0)
    assert changed[1].float().mean() > 0.9
    assert not changed[2].any()
    assert made.min() >= 0
    assert made.max() <= 1


def test_gray_and_light() -> None:
    crops = _crops()
    made = augment.gray(crops, torch.tensor([1.0, 0.0, 1.0]))
    assert torch.allclose(made[0, 0], made[0, 2])
    assert torch.equal(made[1], crops[1])
    lit = augment.relit(crops, torch.full((9, 3), 0.5), torch.zeros_like(crops))
    assert torch.allclose(lit, crops, atol=2e-3)  # the middle of every range changes nothing
    assert augment.plain_backgrounds(8, torch.rand(4, 3), torch.rand(3, 3, 5, 5)).shape == (3, 3, 8, 8)
