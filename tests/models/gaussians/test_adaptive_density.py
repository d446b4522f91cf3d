"""Adaptive density control: pairs look as the one did, nothing is lost or moved on the way, there is never too much."""

import math
from dataclasses import replace

import pytest
import torch
from tests.models.gaussians.test_mcmc import (
    BAD,
    CAMERA,
    GOOD,
    Access,
    drawn,
    everything,
    few,
    nothing,
    picture,
    stepped_optimiser,
)

from langfield.fields.gaussians import Gaussians
from langfield.models.gaussians.adaptive_density import (
    AdaptiveDensity,
    AdaptiveDensityConfig,
    grow,
    prune,
    reset_opacity,
)
from langfield.ops.gaussians.projected import Means2d
from langfield.renderers.splat import blend_views

CONFIG = AdaptiveDensityConfig(
    refine_start=2,
    refine_every=5,
    refine_stop=40,
    grow_grad2d=0.5,
    grow_scale3d=0.1,
    prune_scale3d=0.4,
    prune_scale3d_after=20,
    reset_every=0,
)
EXTENT = 1.0


def marked(gaussians: Gaussians) -> dict[int, tuple[torch.Tensor, torch.Tensor]]:
    """Moments that say which Gaussian they are of: 1 for the first one, 2 for the second …; 0 where there is none."""
    count = gaussians.count
    out = {}
    for parameter in gaussians.parameters():
        number = torch.arange(1.0, len(parameter) + 1)
        number[count:] = 0
        out[id(parameter)] = tuple(
            factor * number.reshape(-1, *[1] * (parameter.ndim - 1)).expand_as(parameter).clone() for factor in (1, 10)
        )
    return out


def numbers(moments: dict, gaussians: Gaussians) -> list[float]:
    """Which Gaussian each row's moments are of; all parameters must agree."""
    per_row = []
    for parameter in gaussians.parameters():
        for factor, moment in zip((1, 10), moments[id(parameter)], strict=True):
            flat = moment.flatten(1) if moment.ndim > 1 else moment[:, None]
            assert (flat == flat[:, :1]).all()
            per_row.append(flat[:, 0] / factor)
    assert all(torch.equal(one, per_row[0]) for one in per_row)
    return per_row[0].tolist()


def means2d_of(grad2d: list[float], radii: list[float], size: tuple[int, int] = (40, 20)) -> Means2d:
    """One whose gradients are of these lengths, by their y alone."""
    centres = torch.zeros(1, len(grad2d), 2, requires_grad=True)
    centres.grad = torch.stack([torch.zeros(len(grad2d)), torch.tensor(grad2d) / (size[1] / 2)], dim=-1)[None]
    return Means2d(centres, torch.tensor(radii), 0, size)


def test_twins_look_as_the_one_did():
    gaussians = few()
    with torch.no_grad():
        gaussians.opacity_logits[:6] = torch.linspace(-3, 4, 6)
    before, opacity = picture(gaussians), gaussians.opacities().clone()
    config = AdaptiveDensityConfig(grow_scale3d=10.0)
    assert grow(gaussians, torch.ones(6), nothing, config, EXTENT, drawn()) == 6
    assert gaussians.count == 12
    both = 1 - (1 - gaussians.opacities()[:6]) * (1 - gaussians.opacities()[6:])
    torch.testing.assert_close(both, opacity, rtol=1e-4, atol=1e-5)
    for parameter in gaussians.parameters():
        assert torch.equal(parameter[:6], parameter[6:12])
    assert (picture(gaussians) - before).abs().mean() < 0.08 * before.abs().mean()


def test_at_their_centre_twins_look_exactly_as_the_one_did():
    gaussians = few(1)
    with torch.no_grad():
        gaussians.means[0] = torch.tensor([0.5 / 30, 0.5 / 30, 1.0]) * 2  # the middle of a pixel
        gaussians.log_scales[0] = math.log(0.2)
        gaussians.opacity_logits[0] = 1.0
        before = picture(gaussians)[12, 16]
        grow(gaussians, torch.ones(1), nothing, AdaptiveDensityConfig(grow_scale3d=10.0), EXTENT, drawn())
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
        assert grow(again, torch.tensor([1.0, 0.0]), nothing, CONFIG, EXTENT, drawn(seed)) == 1
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
    kept = [parameter.detach().clone() for parameter in gaussians.parameters()]
    assert grow(gaussians, torch.tensor([0.5, 0.0, 0.1, 0.49, 0.2, 0.3]), nothing, CONFIG, EXTENT, drawn()) == 0
    assert gaussians.count == 6
    assert all(torch.equal(now, then) for now, then in zip(gaussians.parameters(), kept, strict=True))


def test_what_is_pulled_most_takes_the_last_room():
    gaussians = few(capacity=8)
    colours = gaussians.sh0[:6].detach().clone()
    grad2d = torch.tensor([0.6, 0.9, 0.0, 0.7, 2.0, 0.8])
    assert grow(gaussians, grad2d, nothing, CONFIG, EXTENT, drawn()) == 2
    assert torch.equal(gaussians.sh0[6:8], colours[[1, 4]])
    assert grow(gaussians, torch.ones(8), nothing, CONFIG, EXTENT, drawn()) == 0
    assert int(gaussians.filled) == gaussians.count == 8


def test_moments_stay_with_their_gaussians():
    gaussians = few(4, capacity=10)
    with torch.no_grad():
        gaussians.log_scales[:4] = math.log(0.05)
        gaussians.log_scales[2] = math.log(0.3)
    moments = marked(gaussians)
    grow(gaussians, torch.tensor([0.0, 1.0, 1.0, 0.0]), lambda p: moments[id(p)], CONFIG, EXTENT, drawn())
    # The second one has a twin without momentum, the third one is split and neither half has any.
    assert numbers(moments, gaussians) == [1, 2, 0, 4, 0, 0, 0, 0, 0, 0]


def test_pruning_keeps_the_others_in_their_order_with_their_moments():
    gaussians = few(6, capacity=8)
    moments, means = marked(gaussians), gaussians.means[:6].detach().clone()
    gone = torch.tensor([True, False, False, True, False, False])
    before = [parameter[[1, 2, 4, 5]].detach().clone() for parameter in gaussians.parameters()]
    assert prune(gaussians, lambda p: moments[id(p)], gone) == 2
    assert int(gaussians.filled) == gaussians.count == 4
    assert torch.equal(gaussians.means[:4], means[[1, 2, 4, 5]])
    assert all(torch.equal(p[:4], then) for p, then in zip(gaussians.parameters(), before, strict=True))
    assert numbers(moments, gaussians) == [2, 3, 5, 6, 0, 0, 0, 0]
    assert prune(gaussians, lambda p: moments[id(p)], torch.zeros(4, dtype=torch.bool)) == 0


def test_if_all_were_to_go_all_stay():
    gaussians = few()
    with torch.no_grad():
        gaussians.opacity_logits[:] = -200.0
    strategy = AdaptiveDensity(CONFIG, 40, EXTENT)
    strategy.after_step(gaussians, [], Access(), 5, GOOD, drawn())
    assert gaussians.count == 6
    with torch.no_grad():
        gaussians.opacity_logits[4] = 1.0
    strategy.after_step(gaussians, [], Access(), 10, GOOD, drawn())
    assert gaussians.count == 1
    assert gaussians.opacity_logits[0].item() == 1.0


def test_transparent_ones_go_at_once_huge_ones_later_and_what_is_no_number_too():
    gaussians = few()
    with torch.no_grad():
        gaussians.opacity_logits[0] = -9.0
        gaussians.opacity_logits[1] = torch.nan
        gaussians.log_scales[2] = math.log(0.5)
        colours = gaussians.sh0[:6].clone()
    strategy = AdaptiveDensity(CONFIG, 40, EXTENT)
    strategy.after_step(gaussians, [], Access(), 20, GOOD, drawn())
    assert torch.equal(gaussians.sh0[: gaussians.count], colours[2:])
    strategy.after_step(gaussians, [], Access(), 25, GOOD, drawn())
    assert torch.equal(gaussians.sh0[: gaussians.count], colours[3:])


def test_gradients_are_means_over_the_pictures_that_show_a_gaussian():
    strategy = AdaptiveDensity(CONFIG, 5, EXTENT)
    strategy.accumulate([means2d_of([1.0, 2.0, 9.0], [3.0, 1.0, 0.0])], GOOD)
    strategy.accumulate([means2d_of([3.0, math.nan, 9.0], [3.0, 1.0, 0.0], size=(10, 90))], GOOD)
    torch.testing.assert_close(strategy.mean_grad2d(3), torch.tensor([2.0, 2.0, 0.0]))
    # Two photos of one step: the loss is their mean, so each one's gradient is half of its own.
    two = [means2d_of([0.5, 0.0, 0.0], [1.0, 0.0, 0.0]), means2d_of([1.5, 1.0, 0.0], [1.0, 1.0, 0.0])]
    strategy.accumulate(two, GOOD)
    torch.testing.assert_close(strategy.mean_grad2d(3), torch.tensor([2.0, 2.0, 0.0]))
    assert strategy.count.tolist() == [4, 2, 0, 0, 0]
    strategy.after_step(few(3, capacity=5), [], Access(), 5, GOOD, drawn())  # refines, and begins anew
    assert not strategy.mean_grad2d(5).any()
    assert not strategy.count.any()


def test_it_happens_when_it_should():
    gaussians, strategy, generator = few(capacity=10_000), AdaptiveDensity(CONFIG, 10_000, 100.0), drawn()
    counts = []
    for step in range(60):
        count = gaussians.count
        shown = [1.0] * count
        strategy.after_step(gaussians, [means2d_of(shown, shown)], Access(), step, GOOD, generator)
        counts.append(gaussians.count)
        if gaussians.count != count:
            assert not strategy.count.any()
    assert [step for step in range(1, 60) if counts[step] != counts[step - 1]] == [5, 10, 15, 20, 25, 30, 35]
    assert counts[-1] == 6 * 2**7


def test_opacities_are_brought_down_and_forget_their_momentum():
    gaussians = few()
    with torch.no_grad():
        gaussians.opacity_logits[0] = -7.0
    moments = marked(gaussians)
    config = AdaptiveDensityConfig(refine_start=0, refine_every=1000, refine_stop=100, reset_every=7)
    strategy, optimiser = AdaptiveDensity(config, 40, EXTENT), Access(lambda p: moments[id(p)])
    for step in (0, 5):
        strategy.after_step(gaussians, [], optimiser, step, GOOD, drawn())
        assert gaussians.opacities()[1:].min() > 0.4
    strategy.after_step(gaussians, [], optimiser, 7, GOOD, drawn())
    torch.testing.assert_close(gaussians.opacities()[1:], torch.full((5,), 0.01))
    assert gaussians.opacity_logits[0].item() == -7.0
    assert not moments[id(gaussians.opacity_logits)][1].any()
    assert moments[id(gaussians.means)][1][:6].all()


@pytest.mark.parametrize("logit", [-200.0, 200.0])
def test_opacities_at_their_ends_stay_numbers(logit: float):
    gaussians = few()
    with torch.no_grad():
        gaussians.opacity_logits[:] = logit
    reset_opacity(gaussians, nothing, 0.9999)
    grow(gaussians, torch.ones(6), nothing, CONFIG, EXTENT, drawn())
    assert all(parameter.isfinite().all() for parameter in gaussians.parameters())
    assert gaussians.count == 12


def test_a_picture_with_means2d_adds_gaussians_where_it_is_wrong():
    """From a picture's own gradient: the Gaussian that must move is the one that is pulled about."""
    gaussians = few(2)
    with torch.no_grad():
        gaussians.means[:2] = torch.tensor([[-0.4, 0.0, 2.0], [0.4, 0.0, 2.0]])
        gaussians.log_scales[:2] = math.log(0.1)
        target = picture(gaussians)
        gaussians.means[1, 0] += 0.1
    (seen,) = blend_views(gaussians, [CAMERA], gaussians.colors(torch.zeros(3))[None], keep_means2d=True)
    (seen.features - target).abs().mean().backward()
    strategy = AdaptiveDensity(CONFIG, 40, EXTENT)
    assert seen.means2d is not None
    strategy.accumulate([seen.means2d], GOOD)
    mean = strategy.mean_grad2d(2)
    assert mean[1] > 10 * mean[0]
    assert strategy.count.tolist()[:3] == [1, 1, 0]


@pytest.mark.parametrize("step", [9, 10, 14, 35])  # 10 refines, 14 resets opacities, 35 does both
def test_a_bad_step_changes_nothing(step: int):
    config = replace(CONFIG, reset_every=7)
    gaussians, strategy = few(), AdaptiveDensity(config, 40, EXTENT)
    optimiser = stepped_optimiser(gaussians)
    strategy.accumulate([means2d_of([1.0] * 6, [1.0] * 6)], GOOD)
    with torch.no_grad():
        gaussians.opacity_logits[0] = -9.0  # it would be pruned
    before = everything(gaussians, strategy, optimiser)
    pulled = means2d_of([1.0, 2.0, math.nan, 1.0, math.inf, 0.0], [1.0] * 6)
    strategy.after_step(gaussians, [pulled], optimiser, step, BAD, drawn())
    assert everything(gaussians, strategy, optimiser) == before
    assert gaussians.count == 6
    strategy.after_step(gaussians, [pulled], optimiser, step, GOOD, drawn())
    assert everything(gaussians, strategy, optimiser) != before
    assert (gaussians.count == 6) == (step in (9, 14))
    assert (gaussians.opacities()[1:].max() < 0.02) == (step in (14, 35))
