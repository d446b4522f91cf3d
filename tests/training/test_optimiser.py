"""Learning rates by closed form; Adam and RAdam against torch's own; masked steps change no bit."""

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from toy_method import bits

from langfield.core.errors import RunError
from langfield.models.batches import ParamGroup
from langfield.training.optimiser import BETAS, Optimiser, learning_rate, rectification

GO, SKIP = torch.tensor(0.0), torch.tensor(1.0)


def group(params=(), name="g", **changes) -> ParamGroup:
    settings_ = {"lr": 1e-2, "lr_end": 1e-4, "lr_end_step": 100}
    return ParamGroup(name, list(params), **(settings_ | changes))


positive = st.floats(1e-6, 1.0)


@settings(deadline=None, max_examples=50)
@given(lr=positive, lr_end=positive, end=st.integers(2, 1000), a=st.integers(0, 1000), b=st.integers(0, 1000))
def test_the_schedule_is_an_exponential_between_its_ends(lr, lr_end, end, a, b):
    g = group(lr=lr, lr_end=lr_end, lr_end_step=end)
    assert learning_rate(g, 0) == lr
    assert learning_rate(g, end) == pytest.approx(lr_end)
    assert learning_rate(g, end + 1 + a) == learning_rate(g, end)
    a, b = a % (end // 2 + 1), b % (end // 2 + 1)  # equal distances are equal ratios
    assert learning_rate(g, a) * learning_rate(g, b) == pytest.approx(learning_rate(g, 0) * learning_rate(g, a + b))


def test_a_schedule_without_length_is_at_its_end():
    assert learning_rate(group(lr_end_step=0), 0) == pytest.approx(1e-4)


def test_the_rectification_is_the_papers():
    """Liu et al.: ρ_t ≤ 5 up to the fifth step; then rising to 1. ρ_6 by hand: ρ_∞ = 1999."""
    factors = [rectification(t) for t in range(1, 20_000)]
    assert factors[:5] == [0.0] * 5
    rho = 1999 - 12 * 0.999**6 / (1 - 0.999**6)
    assert factors[5] == pytest.approx(math.sqrt((rho - 4) * (rho - 2) * 1999 / (1995 * 1997 * rho)), rel=1e-12)
    assert all(a < b for a, b in pairwise(factors[4:]) if b < 1 - 1e-9)
    assert factors[-1] == pytest.approx(1, abs=1e-4)
    assert learning_rate(group(rectified=True), 50) == pytest.approx(1e-3 * rectification(51))


def step_at(optimiser, step, skip):
    optimiser.set_rates(step)
    optimiser.step(skip)


def gradients(steps: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(7, generator=generator) for _ in range(steps)]


def descend(optimiser_step, parameter, steps):
    """Feed the same gradients, whatever the parameter is; return where it was after each step."""
    path = []
    for step, gradient in enumerate(gradients(steps)):
        parameter.grad = gradient.clone()
        optimiser_step(step)
        path.append(parameter.detach().clone())
    return torch.stack(path)


def test_it_is_torchs_adam_with_l2_decay():
    """Against the unfused one, its learning rate set by hand; float32, so rtol 1e-5."""
    ours, theirs = torch.nn.Parameter(torch.ones(7)), torch.nn.Parameter(torch.ones(7))
    optimiser = Optimiser([group([ours], weight_decay=0.1)])
    adam = torch.optim.Adam([theirs], betas=BETAS, eps=1e-15, weight_decay=0.1, foreach=False)

    def their_step(step):
        adam.param_groups[0]["lr"] = 1e-2 * (1e-2) ** min(step / 100, 1)
        adam.step()

    a, b = descend(lambda step: step_at(optimiser, step, GO), ours, 150), descend(their_step, theirs, 150)
    torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-7)


def test_rectified_it_is_torchs_radam_after_the_first_five_steps():
    """The gradients do not depend on the parameter, so the steps after the fifth are the same, wherever it stands."""
    ours, theirs = torch.nn.Parameter(torch.zeros(7)), torch.nn.Parameter(torch.zeros(7))
    optimiser = Optimiser([group([ours], rectified=True, lr_end=1e-2)])
    radam = torch.optim.RAdam([theirs], lr=1e-2, betas=BETAS, eps=1e-15, foreach=False)
    a = descend(lambda step: step_at(optimiser, step, GO), ours, 60)
    b = descend(lambda step: radam.step(), theirs, 60)
    assert not a[:5].any()  # left out
    assert b[:5].all()  # torch steps by momentum there
    torch.testing.assert_close(a[5:] - a[4], b[5:] - b[4], rtol=1e-4, atol=1e-6)


@settings(deadline=None, max_examples=25)
@given(skipped=st.sets(st.integers(0, 19), max_size=19), gradient=st.sampled_from([float("nan"), float("inf"), 1.0]))
def test_a_masked_step_changes_no_bit(skipped, gradient):
    masked, left_out = torch.nn.Parameter(torch.ones(7)), torch.nn.Parameter(torch.ones(7))
    one, two = Optimiser([group([masked], weight_decay=0.1)]), Optimiser([group([left_out], weight_decay=0.1)])
    for step, good in enumerate(gradients(20)):
        masked.grad = torch.full((7,), gradient) if step in skipped else good.clone()
        step_at(one, step, SKIP if step in skipped else GO)
        if step not in skipped:
            left_out.grad = good.clone()
            step_at(two, step, GO)
    assert torch.equal(masked, left_out)
    assert bits(one.state()) == bits(two.state())
    assert masked.grad is None


def make(parameters):
    a, b, unused = parameters
    return Optimiser([group([a, unused], "first"), group([b], "second", rectified=True)])


def test_the_state_goes_on_as_if_never_stopped():
    parameters = [torch.nn.Parameter(torch.ones(7)) for _ in range(3)]
    optimiser = make(parameters)
    for step, gradient in enumerate(gradients(20)):
        if step == 10:
            state = {name: tensor.clone() for name, tensor in optimiser.state().items()}
            parameters = [torch.nn.Parameter(parameter.detach().clone()) for parameter in parameters]
            again = make(parameters)
            again.load_state(state)
            assert bits(again.state()) == bits(state)
            optimiser = again
        parameters[0].grad, parameters[1].grad = gradient.clone(), gradient.clone()
        step_at(optimiser, step, GO)
    straight = [torch.nn.Parameter(torch.ones(7)) for _ in range(3)]
    other = make(straight)
    for step, gradient in enumerate(gradients(20)):
        straight[0].grad, straight[1].grad = gradient.clone(), gradient.clone()
        step_at(other, step, GO)
    assert all(torch.equal(a, b) for a, b in zip(parameters, straight, strict=True))
    assert bits(optimiser.state()) == bits(other.state())
    assert sorted({name.rpartition("/")[0] for name in state}) == ["first/0", "second/0"]


def test_a_state_of_other_parameters_is_refused():
    optimiser = Optimiser([group([torch.nn.Parameter(torch.ones(7))], "first")])
    state = {f"first/0/{name}": torch.ones(6) for name in ("step", "exp_avg", "exp_avg_sq")}
    with pytest.raises(RunError) as caught:
        optimiser.load_state(state)
    assert str(caught.value) == (
        "the optimiser state of first/0 has shape [6], the parameter [7]; train into a new folder"
    )
    with pytest.raises(RunError) as caught:
        optimiser.load_state({"second/0/step": torch.ones(())})
    assert str(caught.value) == "no parameter for the optimiser state 'second/0/step'; train into a new folder"


def test_groups_need_names_of_their_own():
    with pytest.raises(ValueError, match="different names"):
        Optimiser([group([torch.nn.Parameter(torch.ones(1))]), group([torch.nn.Parameter(torch.ones(1))])])
