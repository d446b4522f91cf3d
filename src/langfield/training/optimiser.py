"""One fused Adam over all parameter groups, with learning rates that are pure functions of the step."""

import math
from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from langfield.core.errors import RunError
from langfield.models.batches import ParamGroup

BETAS = (0.9, 0.999)
_STATE = ("step", "exp_avg", "exp_avg_sq")


def learning_rate(group: ParamGroup, step: int) -> float:
    """The group's learning rate at `step` (the first one is 0), as `ParamGroup` documents it."""
    progress = min(step / group.lr_end_step, 1.0) if group.lr_end_step > 0 else 1.0
    decayed = group.lr * (group.lr_end / group.lr) ** progress
    return decayed * rectification(step + 1) if group.rectified else decayed


def rectification(t: int, beta2: float = BETAS[1]) -> float:
    """RAdam's factor r_t of Adam's t-th step (t from 1); 0 while ρ_t ≤ 5.

    Source: Liu et al. 2020, "On the variance of the adaptive learning rate and beyond", algorithm 2. Where the
    variance is intractable (the first five steps with β₂ = 0.999) they take a step of momentum SGD; here parameters
    stay, and only the moments are updated, for a step of momentum has no scale that suits all parameters.
    """
    rho_inf = 2 / (1 - beta2) - 1
    decay = beta2**t
    rho = rho_inf - 2 * t * decay / (1 - decay)
    if rho <= 5:
        return 0.0
    return math.sqrt((rho - 4) * (rho - 2) * rho_inf / ((rho_inf - 4) * (rho_inf - 2) * rho))


class _MaskedAdam(torch.optim.Adam):
    """Adam whose fused step does nothing, on the device, where `found_inf` is 1 (what torch's GradScaler uses)."""

    found_inf: Tensor


class Optimiser:
    """Adam over a model's parameter groups: one fused call a group, which does not wait for the device.

    Weight decay is L2 regularisation (added to the gradient), as in Kingma and Ba's Adam.
    """

    def __init__(self, groups: Sequence[ParamGroup]) -> None:
        """Take the groups, whose parameters must be on one device.

        Raises:
            ValueError: two groups have one name.
        """
        names = [group.name for group in groups]
        if len(set(names)) < len(names):
            raise ValueError(f"parameter groups need different names, got {names}")
        self.groups = list(groups)
        self._by_name = dict(zip(names, self.groups, strict=True))
        self.parameters = [parameter for group in groups for parameter in group.params]
        self._adam = _MaskedAdam([_adam_group(group) for group in groups], betas=BETAS, fused=True)

    def gradients(self) -> list[Tensor]:
        """Gradients of the parameters that have one."""
        return [parameter.grad for parameter in self.parameters if parameter.grad is not None]

    def moments(self, parameter: nn.Parameter) -> tuple[Tensor, ...]:
        """See `OptimiserAccess.moments`."""
        state = self._adam.state.get(parameter, {})
        return tuple(state[name] for name in _STATE[1:] if name in state)

    def learning_rate(self, group: str, step: int) -> float:
        """See `OptimiserAccess.learning_rate`."""
        return learning_rate(self._by_name[group], step)

    def set_rates(self, step: int) -> None:
        """Set the learning rates of all groups to those of `step`."""
        for group, adam_group in zip(self.groups, self._adam.param_groups, strict=True):
            adam_group["lr"].fill_(learning_rate(group, step))

    def step(self, skip: Float[Tensor, ""]) -> None:
        """Take a step with the learning rates last set, and clear the gradients.

        Args:
            skip: on the parameters' device; 1 leaves parameters, moments and Adam's step count as they are.
        """
        self._adam.found_inf = skip
        self._adam.step()
        self._adam.zero_grad(set_to_none=True)

    def state(self) -> dict[str, Tensor]:
        """Moments and step counts by "group/index/name"; parameters that never had a gradient have none."""
        return {
            f"{group.name}/{index}/{name}": self._adam.state[parameter][name]
            for group in self.groups
            for index, parameter in enumerate(group.params)
            if parameter in self._adam.state
            for name in _STATE
        }

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        """The inverse of `state`.

        Raises:
            RunError: the tensors are not of these groups and shapes.
        """
        self._adam.state.clear()
        unused = set(tensors)
        for group in self.groups:
            for index, parameter in enumerate(group.params):
                names = {name: f"{group.name}/{index}/{name}" for name in _STATE}
                if not unused.issuperset(names.values()):
                    continue
                unused -= set(names.values())
                state = {name: tensors[key].to(parameter.device, copy=True) for name, key in names.items()}
                if any(state[name].shape != parameter.shape for name in _STATE[1:]):
                    raise RunError(
                        f"the optimiser state of {group.name}/{index} has shape {list(state['exp_avg'].shape)}, "
                        f"the parameter {list(parameter.shape)}; train into a new folder"
                    )
                self._adam.state[parameter] = state
        if unused:
            raise RunError(f"no parameter for the optimiser state {min(unused)!r}; train into a new folder")


def _adam_group(group: ParamGroup) -> dict[str, object]:
    device = group.params[0].device
    return {
        "params": group.params,
        "lr": torch.tensor(learning_rate(group, 0), device=device),
        "eps": group.eps,
        "weight_decay": group.weight_decay,
        "capturable": device.type == "cuda",
    }
