"""Growing keeps what is seen: copies look as the one did, transparent ones move to others, nothing else changes."""

import math

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from langfield.core.cameras import Camera
from langfield.fields.gaussians import GaussianConfig, Gaussians
from langfield.models.batches import ParamGroup
from langfield.models.gaussians import mcmc
from langfield.models.gaussians.mcmc import (
    MCMC,
    MCMCConfig,
    Moments,
    add_new,
    compute_relocation,
    inject_noise,
    relocate,
)
from langfield.models.gaussians.strategy import Strategy
from langfield.renderers.splat import splat
from langfield.training.optimiser import Optimiser

GOOD, BAD = torch.tensor(False), torch.tensor(True)
CAMERA = Camera(torch.eye(4).double().numpy(), 32, 24, 30.0, 30.0, 16.0, 12.0)


def few(count: int = 6, capacity: int = 40, seed: int = 0) -> Gaussians:
    generator = torch.Generator().manual_seed(seed)
    gaussians = Gaussians(GaussianConfig(capacity, sh_degree=1))
    points = torch.rand(count, 3, generator=generator) * torch.tensor([1.0, 0.8, 1.0]) + torch.tensor([-0.5, -0.4, 2.0])
    gaussians.init_from_points(points.double().numpy(), torch.rand(count, 3, generator=generator).double().numpy())
    with torch.no_grad():
        gaussians.log_scales[:count] = math.log(0.08) + 0.3 * torch.randn(count, 3, generator=generator)
        gaussians.rotations[:count] = torch.randn(count, 4, generator=generator)
    return gaussians


def drawn(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def nothing(parameter: torch.nn.Parameter) -> tuple[torch.Tensor, ...]:
    return ()


class Access:
    """What a strategy may see of an optimiser: these moments, and a learning rate of 1e-4 for the means."""

    def __init__(self, moments: Moments = nothing) -> None:
        self.moments = moments

    def learning_rate(self, group: str, step: int) -> float:
        return {"means": 1e-4}[group]


def stepped_optimiser(gaussians: Gaussians, *, order: int = 1) -> Optimiser:
    """An optimiser of a group for each kind of parameter, in the usual order (by −1 the reverse one), after a step:
    each Gaussian has moments. Only the means' learning rate is 1e-4 at step 0, and it falls."""
    names = ("means", "rotations", "scales", "opacities", "sh0", "shN")
    groups = [
        ParamGroup(name, [parameter], 1e-4 * 7**number, 1e-5, 10)
        for number, (name, parameter) in enumerate(zip(names, gaussians.parameters(), strict=True))
    ]
    optimiser, generator = Optimiser(groups[::order]), torch.Generator().manual_seed(5)
    for parameter in gaussians.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=generator)
    optimiser.step(torch.tensor(0.0))
    return optimiser


def everything(gaussians: Gaussians, strategy: Strategy, optimiser: Optimiser) -> dict[str, bytes]:
    """All that a training goes on with, bit for bit."""
    return {
        name: values.detach().numpy().tobytes()
        for state in (gaussians.state_dict(), strategy.state_dict(), optimiser.state())
        for name, values in state.items()
    }


@torch.no_grad()
def picture(gaussians: Gaussians) -> torch.Tensor:
    return splat(gaussians, CAMERA, gaussians.colors(torch.zeros(3))).features


def test_opacity_of_copies_is_that_of_the_one():
    opacity = torch.linspace(0.05, 0.95, 10)
    for copies in (1, 2, 5):
        o, _ = compute_relocation(opacity, torch.ones(10, 3), torch.full((10,), copies))
        torch.testing.assert_close(1 - (1 - o) ** copies, opacity, rtol=1e-4, atol=1e-5)


def test_one_copy_is_the_thing_itself():
    scales = torch.rand(4, 3) + 0.1
    o, same = compute_relocation(torch.tensor([0.1, 0.4, 0.7, 0.99]), scales, torch.ones(4, dtype=torch.int64))
    torch.testing.assert_close(same, scales, rtol=1e-5, atol=0)
    torch.testing.assert_close(o, torch.tensor([0.1, 0.4, 0.7, 0.99]))


def test_scales_are_those_of_the_published_double_sum():
    """Kheradmand et al. 2024, eq. 9, term by term, in exact binomials."""
    opacity = torch.tensor([0.01, 0.3, 0.9, 0.999])
    for copies in (1, 2, 7, 51):
        o, scale = compute_relocation(opacity, torch.ones(4, 3), torch.full((4,), copies))
        for row, whole in enumerate(opacity.double().tolist()):
            each = 1 - (1 - whole) ** (1 / copies)
            total = math.fsum(
                math.comb(i - 1, k) * (-1) ** k * each ** (k + 1) / math.sqrt(k + 1)
                for i in range(1, copies + 1)
                for k in range(i)
            )
            assert float(o[row]) == pytest.approx(max(each, 0.005), rel=1e-6)
            assert float(scale[row, 0]) == pytest.approx(whole / total, rel=1e-5)


def test_relocation_is_computed_where_the_gaussians_are():
    """On a GPU that is not here: torch's fake tensors refuse what is on two devices."""
    mcmc._binomial_sums.cache_clear()
    with FakeTensorMode():
        opacity, scales = torch.rand(5, device="cuda"), torch.rand(5, 3, device="cuda")
        found = compute_relocation(opacity, scales, torch.ones(5, dtype=torch.int64, device="cuda"))
    mcmc._binomial_sums.cache_clear()  # its table is a fake one, too
    assert [(each.device.type, each.shape, each.dtype) for each in found] == [
        ("cuda", (5,), torch.float32),
        ("cuda", (5, 3), torch.float32),
    ]


@pytest.mark.parametrize("copies", [2, 4])
def test_copies_stop_as_much_light_along_a_line_as_the_one(copies: int):
    """The integral of opacity over a line through the centre: what eq. 9 keeps (the published derivation)."""
    x = torch.linspace(-12, 12, 20_001, dtype=torch.float64)
    for opacity in (0.3, 0.8):
        o, scale = compute_relocation(torch.tensor([opacity]), torch.ones(1, 3), torch.tensor([copies]))
        one = opacity * torch.exp(-0.5 * x**2)
        each = float(o) * torch.exp(-0.5 * (x / float(scale[0, 0])) ** 2)
        together = 1 - (1 - each) ** copies
        torch.testing.assert_close(together.sum(), one.sum(), rtol=1e-4, atol=0)


def test_growing_looks_nearly_the_same_and_stops_at_the_capacity():
    gaussians = few(capacity=9)
    before = picture(gaussians)
    assert add_new(gaussians, nothing, 1.34, drawn()) == 2
    assert gaussians.count == 8
    assert (picture(gaussians) - before).abs().mean() < 0.1 * before.abs().mean()
    assert add_new(gaussians, nothing, 1.5, drawn()) == 1
    assert add_new(gaussians, nothing, 1.5, drawn()) == 0
    assert int(gaussians.filled) == gaussians.count == 9


def test_transparent_ones_are_relocated_and_forget_their_momentum():
    gaussians = few()
    with torch.no_grad():
        gaussians.opacity_logits[:2] = -9.0
        gaussians.opacity_logits[2] = 3.0
    kept = gaussians.means.detach().clone()
    moments = {id(p): (torch.ones_like(p), torch.ones_like(p)) for p in gaussians.parameters()}
    assert relocate(gaussians, lambda p: moments[id(p)], drawn()) == 2
    assert bool((gaussians.opacities() > 0.005).all())
    others = kept[2:6]
    for row in (0, 1):
        assert bool((gaussians.means[row] == others).all(dim=1).any())
    first = moments[id(gaussians.means)][0]
    assert not first[:2].any()
    assert bool((first[6:] == 1).all())
    assert bool((gaussians.means[2:6] == others).all())


def test_all_transparent_or_none_is_no_reason_to_move():
    gaussians = few()
    assert relocate(gaussians, nothing, drawn()) == 0
    with torch.no_grad():
        gaussians.opacity_logits[:6] = -9.0
    assert relocate(gaussians, nothing, drawn()) == 0


def test_noise_moves_transparent_ones_by_their_own_covariance():
    gaussians = few(2, capacity=3)
    with torch.no_grad():
        gaussians.opacity_logits[:2] = torch.tensor([-9.0, 4.0])
    start = gaussians.means.detach().clone()
    moved = []
    generator = drawn()
    for _ in range(4000):
        with torch.no_grad():
            gaussians.means.copy_(start)
        inject_noise(gaussians, 0.5, generator)
        moved.append((gaussians.means - start).detach())
    steps = torch.stack(moved)
    assert not steps[:, 2].any()  # beyond the count
    assert steps[:, 1].abs().max() < 1e-6  # opaque
    turn, scales = gaussians.axes()[0], gaussians.scales()[0]
    covariance = turn @ torch.diag(scales**2) @ turn.T
    transparency = torch.sigmoid(-100 * (gaussians.opacities()[0] - 0.005))
    expected = covariance @ covariance.T * (0.5 * transparency) ** 2
    found = torch.cov(steps[:, 0].T)
    assert (found - expected).norm() < 0.1 * expected.norm()


def test_growth_happens_when_it_should():
    gaussians = few(capacity=100)
    config = MCMCConfig(refine_start=10, refine_every=5, refine_stop=20, growth_factor=1.5, noise_lr=0.0)
    counts = []
    for step in range(25):
        MCMC(config).after_step(gaussians, [], Access(), step, GOOD, drawn(step))
        counts.append(gaussians.count)
    assert counts[:10] == [6] * 10
    assert counts[10:15] == [9] * 5
    assert counts[15:] == [13] * 10


@pytest.mark.parametrize("logit", [-200.0, -40.0, 40.0, 200.0])
def test_opacities_at_their_ends_stay_numbers(logit: float):
    """Of transparent ones there is none to draw; one that is nearly so is divided without a division by 0."""
    gaussians = few(capacity=12)
    with torch.no_grad():
        gaussians.opacity_logits[:6] = logit
    config = MCMCConfig(refine_start=0, refine_every=1, refine_stop=9, growth_factor=1.5)
    MCMC(config).after_step(gaussians, [], Access(), 1, GOOD, drawn())
    assert all(parameter.isfinite().all() for parameter in gaussians.parameters())
    assert gaussians.count == (6 if logit == -200.0 else 9)


def test_next_to_no_opacity_is_divided_like_a_little():
    o, scale = compute_relocation(torch.tensor([0.0, 1e-12, 1e-6]), torch.ones(3, 3), torch.full((3,), 2))
    assert o.tolist() == pytest.approx([0.005] * 3)
    torch.testing.assert_close(scale, torch.ones(3, 3), rtol=1e-4, atol=0)


@pytest.mark.parametrize("step", [4, 5])  # the latter refines
def test_a_bad_step_changes_nothing(step: int):
    gaussians, strategy = few(), MCMC(MCMCConfig(refine_start=0, refine_every=5, growth_factor=1.5))
    with torch.no_grad():
        gaussians.opacity_logits[:2] = -9.0  # they would be relocated
    optimiser = stepped_optimiser(gaussians)
    with torch.no_grad():
        gaussians.means[3, 0] = -0.0  # a bit that adding 0 would change
    before = everything(gaussians, strategy, optimiser)
    strategy.after_step(gaussians, [], optimiser, step, BAD, drawn())
    assert everything(gaussians, strategy, optimiser) == before
    assert gaussians.count == 6
    strategy.after_step(gaussians, [], optimiser, step, GOOD, drawn())
    assert everything(gaussians, strategy, optimiser) != before
    assert gaussians.count == (9 if step == 5 else 6)


def test_the_means_rate_is_found_by_name_wherever_its_group_stands():
    moved = []
    for order in (1, -1):
        gaussians = few()
        with torch.no_grad():
            gaussians.opacity_logits[:6] = -6.0
        optimiser = stepped_optimiser(gaussians, order=order)
        start = gaussians.means.detach().clone()
        MCMC(MCMCConfig()).after_step(gaussians, [], optimiser, 3, GOOD, drawn())
        moved.append((gaussians.means - start).detach())
    assert moved[0][:6].all()
    assert torch.equal(moved[0], moved[1])
