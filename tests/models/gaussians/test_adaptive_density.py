"""Adaptive density control: pairs look as the one did, nothing is lost or moved on the way, there is never too much."""

import math

import pytest
import torch
from tests.models.gaussians.test_mcmc import CAMERA, drawn, few, nothing, picture

from langfield.fields.gaussians import Gaussians
from langfield.models.gaussians.adaptive_density import (
    AdaptiveDensityConfig,
    Slopes,
    after_step,
    densify,
    make_faint,
    prune,
)
from langfield.renderers.splat import Means2d, blend_views

CONFIG = AdaptiveDensityConfig(start=2, every=5, stop=40, slope=0.5, small=0.1, huge=0.4, huge_after=20, reset_every=0)
EXTENT = 1.0


def marked(gaussians: Gaussians) -> dict[int, tuple[torch.Tensor, torch.Tensor]]:
    """Moments that say which Gaussian they are of: 1 for the first one, 2 for the second …; 0 where there is none."""
    count = gaussians.count
    out = {}
    for parameter in gaussians.rows():
        number = torch.arange(1.0, len(parameter) + 1)
        number[count:] = 0
        out[id(parameter)] = tuple(
            factor * number.reshape(-1, *[1] * (parameter.ndim - 1)).expand_as(parameter).clone() for factor in (1, 10)
        )
    return out


def numbers(moments: dict, gaussians: Gaussians) -> list[float]:
    """Which Gaussian each row's moments are of; all parameters must agree."""
    per_row = []
    for parameter in gaussians.rows():
        for factor, moment in zip((1, 10), moments[id(parameter)], strict=True):
            flat = moment.flatten(1) if moment.ndim > 1 else moment[:, None]
            assert (flat == flat[:, :1]).all()
            per_row.append(flat[:, 0] / factor)
    assert all(torch.equal(one, per_row[0]) for one in per_row)
    return per_row[0].tolist()


def footprint(slopes: list[float], radii: list[float], size: tuple[int, int] = (40, 20)) -> Means2d:
    """One whose slopes are these, by their y alone."""
    centres = torch.zeros(1, len(slopes), 2, requires_grad=True)
    centres.grad = torch.stack([torch.zeros(len(slopes)), torch.tensor(slopes) / (size[1] / 2)], dim=-1)[None]
    return Means2d(centres, torch.tensor(radii), 0, size)


def test_twins_look_as_the_one_did():
    gaussians = few()
    with torch.no_grad():
        gaussians.opacity_logits[:6] = torch.linspace(-3, 4, 6)
    before, opacity = picture(gaussians), gaussians.opacities().clone()
    config = AdaptiveDensityConfig(small=10.0)
    assert densify(gaussians, torch.ones(6), nothing, config, EXTENT, drawn()) == 6
    assert gaussians.count == 12
    both = 1 - (1 - gaussians.opacities()[:6]) * (1 - gaussians.opacities()[6:])
    torch.testing.assert_close(both, opacity, rtol=1e-4, atol=1e-5)
    for parameter in gaussians.rows():
        assert torch.equal(parameter[:6], parameter[6:12])
    assert (picture(gaussians) - before).abs().mean() < 0.08 * before.abs().mean()


def test_at_their_centre_twins_look_exactly_as_the_one_did():
    gaussians = few(1)
    with torch.no_grad():
        gaussians.means[0] = torch.tensor([0.5 / 30, 0.5 / 30, 1.0]) * 2  # the middle of a pixel
        gaussians.log_scales[0] = math.log(0.2)
        gaussians.opacity_logits[0] = 1.0
        before = picture(gaussians)[12, 16]
        densify(gaussians, torch.ones(1), nothing, AdaptiveDensityConfig(small=10.0), EXTENT, drawn())
        torch.testing.assert_close(picture(gaussians)[12, 16], before, rtol=1e-4, atol=1e-5)


def test_a_large_one_becomes_two_smaller_ones_within_it():
    gaussians = few(2, capacity=4000)
    with torch.no_grad():
        gaussians.log_scales[:2] = torch.tensor([[0.3, 0.05, 0.1], [0.05, 0.05, 0.05]]).log()
    first, turn = gaussians.means[0].detach().clone(), gaussians.axes()[0].detach()
    offsets = []
    for seed in range(500):
        again = few(2, capacity=4)
        again.load_state_dict({k: v[:4] if v.ndim else v for k, v in gaussians.state_dict().items()})
        assert densify(again, torch.tensor([1.0, 0.0]), nothing, CONFIG, EXTENT, drawn(seed)) == 1
        assert again.count == 3
        expected = torch.tensor([[0.3, 0.05, 0.1], [0.05, 0.05, 0.05], [0.3, 0.05, 0.1]])
        expected[[0, 2]] /= 1.6
        torch.testing.assert_close(again.scales(), expected)
        assert torch.equal(again.means[1], gaussians.means[1])
        assert torch.equal(again.rotations[0], again.rotations[2])
        assert torch.equal(again.opacities(), gaussians.opacities()[[0, 1, 0]])
        offsets.append((again.means[[0, 2]].detach() - first) @ turn)
    spread = torch.cat(offsets)
    torch.testing.assert_close(spread.mean(dim=0), torch.zeros(3), atol=0.03, rtol=0)
    torch.testing.assert_close(spread.std(dim=0), torch.tensor([0.3, 0.05, 0.1]), rtol=0.1, atol=0)


def test_only_what_is_pulled_about_multiplies():
    gaussians = few()
    kept = [parameter.detach().clone() for parameter in gaussians.rows()]
    assert densify(gaussians, torch.tensor([0.5, 0.0, 0.1, 0.49, 0.2, 0.3]), nothing, CONFIG, EXTENT, drawn()) == 0
    assert gaussians.count == 6
    assert all(torch.equal(now, then) for now, then in zip(gaussians.rows(), kept, strict=True))


def test_what_is_pulled_most_takes_the_last_room():
    gaussians = few(capacity=8)
    colours = gaussians.sh0[:6].detach().clone()
    slopes = torch.tensor([0.6, 0.9, 0.0, 0.7, 2.0, 0.8])
    assert densify(gaussians, slopes, nothing, CONFIG, EXTENT, drawn()) == 2
    assert torch.equal(gaussians.sh0[6:8], colours[[1, 4]])
    assert densify(gaussians, torch.ones(8), nothing, CONFIG, EXTENT, drawn()) == 0
    assert int(gaussians.filled) == gaussians.count == 8


def test_moments_stay_with_their_gaussians():
    gaussians = few(4, capacity=10)
    with torch.no_grad():
        gaussians.log_scales[:4] = math.log(0.05)
        gaussians.log_scales[2] = math.log(0.3)
    moments = marked(gaussians)
    densify(gaussians, torch.tensor([0.0, 1.0, 1.0, 0.0]), lambda p: moments[id(p)], CONFIG, EXTENT, drawn())
    # The second one has a twin without momentum, the third one is split and neither half has any.
    assert numbers(moments, gaussians) == [1, 2, 0, 4, 0, 0, 0, 0, 0, 0]


def test_pruning_keeps_the_others_in_their_order_with_their_moments():
    gaussians = few(6, capacity=8)
    moments, means = marked(gaussians), gaussians.means[:6].detach().clone()
    gone = torch.tensor([True, False, False, True, False, False])
    before = [parameter[[1, 2, 4, 5]].detach().clone() for parameter in gaussians.rows()]
    assert prune(gaussians, lambda p: moments[id(p)], gone) == 2
    assert int(gaussians.filled) == gaussians.count == 4
    assert torch.equal(gaussians.means[:4], means[[1, 2, 4, 5]])
    assert all(torch.equal(p[:4], then) for p, then in zip(gaussians.rows(), before, strict=True))
    assert numbers(moments, gaussians) == [2, 3, 5, 6, 0, 0, 0, 0]
    assert prune(gaussians, lambda p: moments[id(p)], torch.zeros(4, dtype=torch.bool)) == 0


def test_if_all_were_to_go_all_stay():
    gaussians = few()
    with torch.no_grad():
        gaussians.opacity_logits[:] = -200.0
    slopes = Slopes(40)
    after_step(gaussians, slopes, [], nothing, CONFIG, EXTENT, 5, drawn())
    assert gaussians.count == 6
    with torch.no_grad():
        gaussians.opacity_logits[4] = 1.0
    after_step(gaussians, slopes, [], nothing, CONFIG, EXTENT, 10, drawn())
    assert gaussians.count == 1
    assert gaussians.opacity_logits[0].item() == 1.0


def test_faint_ones_go_at_once_huge_ones_later_and_what_is_no_number_too():
    gaussians = few()
    with torch.no_grad():
        gaussians.opacity_logits[0] = -9.0
        gaussians.opacity_logits[1] = torch.nan
        gaussians.log_scales[2] = math.log(0.5)
        colours = gaussians.sh0[:6].clone()
    slopes = Slopes(40)
    after_step(gaussians, slopes, [], nothing, CONFIG, EXTENT, 20, drawn())
    assert torch.equal(gaussians.sh0[: gaussians.count], colours[2:])
    after_step(gaussians, slopes, [], nothing, CONFIG, EXTENT, 25, drawn())
    assert torch.equal(gaussians.sh0[: gaussians.count], colours[3:])


def test_slopes_are_means_over_the_pictures_that_show_a_gaussian():
    slopes = Slopes(5)
    slopes.add([footprint([1.0, 2.0, 9.0], [3.0, 1.0, 0.0])])
    slopes.add([footprint([3.0, math.nan, 9.0], [3.0, 1.0, 0.0], size=(10, 90))])
    torch.testing.assert_close(slopes.mean(3), torch.tensor([2.0, 2.0, 0.0]))
    # Two photos of one step: the loss is their mean, so each one's gradient is half of its own.
    slopes.add([footprint([0.5, 0.0, 0.0], [1.0, 0.0, 0.0]), footprint([1.5, 1.0, 0.0], [1.0, 1.0, 0.0])])
    torch.testing.assert_close(slopes.mean(3), torch.tensor([2.0, 2.0, 0.0]))
    assert slopes.pictures.tolist() == [4, 2, 0, 0, 0]
    slopes.clear()
    assert not slopes.mean(5).any()


def test_it_happens_when_it_should():
    gaussians, slopes, generator = few(capacity=10_000), Slopes(10_000), drawn()
    counts = []
    for step in range(60):
        count = gaussians.count
        shown = [1.0] * count
        after_step(gaussians, slopes, [footprint(shown, shown)], nothing, CONFIG, 100.0, step, generator)
        counts.append(gaussians.count)
        if gaussians.count != count:
            assert not slopes.pictures.any()
    assert [step for step in range(1, 60) if counts[step] != counts[step - 1]] == [5, 10, 15, 20, 25, 30, 35]
    assert counts[-1] == 6 * 2**7


def test_opacities_are_brought_down_and_forget_their_momentum():
    gaussians = few()
    with torch.no_grad():
        gaussians.opacity_logits[0] = -7.0
    moments = marked(gaussians)
    config = AdaptiveDensityConfig(start=0, every=1000, stop=100, reset_every=7)
    for step in (0, 5):
        after_step(gaussians, Slopes(40), [], lambda p: moments[id(p)], config, EXTENT, step, drawn())
        assert gaussians.opacities()[1:].min() > 0.4
    after_step(gaussians, Slopes(40), [], lambda p: moments[id(p)], config, EXTENT, 7, drawn())
    torch.testing.assert_close(gaussians.opacities()[1:], torch.full((5,), 0.01))
    assert gaussians.opacity_logits[0].item() == -7.0
    assert not moments[id(gaussians.opacity_logits)][1].any()
    assert moments[id(gaussians.means)][1][:6].all()


@pytest.mark.parametrize("logit", [-200.0, 200.0])
def test_opacities_at_their_ends_stay_numbers(logit: float):
    gaussians = few()
    with torch.no_grad():
        gaussians.opacity_logits[:] = logit
    make_faint(gaussians, nothing, 0.9999)
    densify(gaussians, torch.ones(6), nothing, CONFIG, EXTENT, drawn())
    assert all(parameter.isfinite().all() for parameter in gaussians.rows())
    assert gaussians.count == 12


def test_a_picture_with_slopes_makes_gaussians_where_it_is_wrong():
    """From a picture's own gradient: the Gaussian that must move is the one that is pulled about."""
    gaussians = few(2)
    with torch.no_grad():
        gaussians.means[:2] = torch.tensor([[-0.4, 0.0, 2.0], [0.4, 0.0, 2.0]])
        gaussians.log_scales[:2] = math.log(0.1)
        target = picture(gaussians)
        gaussians.means[1, 0] += 0.1
    (seen,) = blend_views(gaussians, [CAMERA], gaussians.colors(torch.zeros(3))[None], keep_means2d=True)
    (seen.features - target).abs().mean().backward()
    slopes = Slopes(40)
    assert seen.means2d is not None
    slopes.add([seen.means2d])
    mean = slopes.mean(2)
    assert mean[1] > 10 * mean[0]
    assert slopes.pictures.tolist()[:3] == [1, 1, 0]
