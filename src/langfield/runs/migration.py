"""Runs of older schemas, with the names of the present one.

A schema version stands for the names of the keys in `run.json` and of the tensors in its files. For each version but
the last, this module has what the next one renamed; `upgrade_document` and `upgraded_names` apply these renames in
order. Both only make new dictionaries: a run's files stay as they are until it is saved again.

Settings that a version added need nothing here: keys that are missing take their defaults (`core.config`).
"""

from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, Literal

SCHEMA_VERSION = 2

TensorFile = Literal["model", "training", "groups"]  # NAME.safetensors of a run directory
Document = dict[str, Any]
Renames = Mapping[str, str]
NO_RENAMES: Renames = {}

# -- from 1 to 2 -----------------------------------------------------------------------------------------------------

_DOCUMENT = {
    "method": "model",
    "training.language_rays": "training.head_rays",
    "training.baked.method": "training.baked.model",
}
_CONTEXT = {"embed_dim": "target_dims.embedding", "dense_dim": "target_dims.dense"}

# Of all models with a radiance field: settings of the sampler became a config of their own.
_SAMPLER = {
    "proposals": "sampler.networks",
    "sampling.proposals": "sampler.proposal_samples",
    "sampling.samples": "sampler.samples",
    "sampling.near": "sampler.near",
    "sampling.far": "sampler.far",
    "sampling.anneal_steps": "sampler.anneal_steps",
    "sampling.anneal_slope": "sampler.anneal_slope",
    "proposal_weight": "sampler.loss_weight",
    "proposal_every": "sampler.update_every",
    "proposal_warmup": "sampler.warmup_steps",
}
_HEADS = {
    "language.grid": "feature_grid",
    "language.width": "heads.0.width",
    "language.layers": "heads.0.layers",
    "language_weight": "heads.0.weight",
    "dense_weight": "heads.1.weight",
    "language_samples": "head_samples",
    "language_lr": "head_lr",
    "language_lr_end": "head_lr_end",
    "language_lr_steps": "head_lr_steps",
}
_SPLAT = {
    "gaussians.first_opacity": "gaussians.init_opacity",
    "gaussians.first_scale": "gaussians.init_scale",
    "lifting.least_light": "lifting.min_contribution",
    "harmonics_every": "sh_degree_every",
    "similarity_weight": "ssim_weight",
    "constant_lr": "sh0_lr",
    "directed_lr": "shN_lr",
    "growth.start": "strategy.refine_start",
    "growth.every": "strategy.refine_every",
    "growth.stop": "strategy.refine_stop",
}
_MCMC = {
    "growth.factor": "strategy.growth_factor",
    "growth.noise": "strategy.noise_lr",
}
_ADAPTIVE_DENSITY = {
    "growth.slope": "strategy.grow_grad2d",
    "growth.small": "strategy.grow_scale3d",
    "growth.huge": "strategy.prune_scale3d",
    "growth.huge_after": "strategy.prune_scale3d_after",
    "growth.least_opacity": "strategy.prune_opacity",
    "growth.reset_every": "strategy.reset_every",
}


def _document_2(document: Document) -> Document:
    document = _renamed(document, _DOCUMENT)
    for place, key in ((["model"], "name"), (["training", "baked"], "model")):
        named = _found(document, place)
        if isinstance(named, dict) and named.get(key) == "lift":
            named[key] = "voxel_lift"
    model = document.get("model")
    if isinstance(model, dict):
        changes = {"config": _CONFIG_CHANGES_2.get(str(model.get("name"))), "context": _context_2}
        for key, change in changes.items():
            if change is not None and isinstance(model.get(key), dict):
                model[key] = change(model[key])
    return document


def _context_2(context: Document) -> Document:
    """Sizes of targets go under the targets' names; those that are null are left out."""
    known = {key: value for key, value in context.items() if key not in _CONTEXT or value is not None}
    return _renamed(known, _CONTEXT, {"target_dims": {}})


def _lerf_config_2(config: Document) -> Document:
    heads = [{"type": "language"}, {"type": "dense", "width": 256}]
    added = {"sampler": {"type": "proposal"}, "heads": heads, "couplings": []}
    return _renamed(config, _SAMPLER | _HEADS, added)


def _voxel_lift_config_2(config: Document) -> Document:
    return _renamed(config, _SAMPLER, {"sampler": {"type": "proposal"}})


def _splat_config_2(config: Document) -> Document:
    if _is_in(config, ["growth", "slope"]):
        return _renamed(config, _SPLAT | _ADAPTIVE_DENSITY, {"strategy": {"type": "adaptive_density"}})
    return _renamed(config, _SPLAT | _MCMC, {"strategy": {"type": "mcmc"}})


_CONFIG_CHANGES_2 = {"lerf": _lerf_config_2, "voxel_lift": _voxel_lift_config_2, "splat": _splat_config_2}

_RADIANCE_TENSORS = {"proposals": "sampler.networks"}
_MODEL_TENSORS_2: dict[str, Renames] = {
    "lerf": _RADIANCE_TENSORS
    | {"language_grid": "feature_grid", "language": "heads.language.field", "dense": "heads.dense.field"},
    "voxel_lift": _RADIANCE_TENSORS,
    "splat": {
        "gaussians.colors_constant": "gaussians.sh0",
        "gaussians.colors_directed": "gaussians.shN",
        "slopes.total": "strategy.grad2d",
        "slopes.pictures": "strategy.count",
    },
}
_OPTIMISER_GROUPS_2 = {"constant": "sh0", "directed": "shN", "language": "heads", "proposals": "sampler"}

# -- all versions ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Upgrade:
    """From one schema version to the next.

    Attributes:
        document: gives `run.json` of the next version; may change what it is given.
        model_tensors: by the model's present name: old to new starts of tensor names, whole words between dots.
        optimiser_groups: old to new names of groups in training.safetensors ("GROUP/index/name").
    """

    document: Callable[[Document], Document]
    model_tensors: Mapping[str, Renames] = field(default_factory=dict)
    optimiser_groups: Renames = field(default_factory=dict)


_UPGRADES = {1: _Upgrade(_document_2, _MODEL_TENSORS_2, _OPTIMISER_GROUPS_2)}


def upgrade_document(document: Mapping[str, Any]) -> Document:
    """A `run.json` of any version from 1 to `SCHEMA_VERSION` as the latter would have written it.

    Keys that are missing, or that are no objects, are left to `RunInfo.from_document`, which reports them.
    """
    upgraded = deepcopy(dict(document))
    for version in range(upgraded["schema_version"], SCHEMA_VERSION):
        upgraded = _UPGRADES[version].document(upgraded) | {"schema_version": version + 1}
    return upgraded


def upgraded_names(file: TensorFile, names: Iterable[str], model: str, version: int) -> dict[str, str]:
    """The present name of each tensor.

    Args:
        file: which of the run's files the tensors are in.
        names: as `version` called them.
        model: the model's name in the present schema.
    """
    present = {name: name for name in names}
    if file == "groups":  # no version renamed any
        return present
    for upgrade in (_UPGRADES[older] for older in range(version, SCHEMA_VERSION)):
        if file == "training":
            renames, end = upgrade.optimiser_groups, "/"
        else:
            renames, end = upgrade.model_tensors.get(model, NO_RENAMES), "."
        present = {name: _renamed_start(now, renames, end) for name, now in present.items()}
    return present


def _renamed_start(name: str, renames: Renames, end: str) -> str:
    for old, new in renames.items():
        if name == old or name.startswith(old + end):
            return new + name[len(old) :]
    return name


def _renamed(document: Document, renames: Renames, added: Document | None = None) -> Document:
    """A copy of `document` with `added` in it and values moved from old to new paths ("growth.start", "heads.0.width").

    What `renames` does not name stays, what is not there is not moved, and objects that all was moved from go.
    """
    changed = deepcopy(document)
    paths = [(old.split("."), new.split(".")) for old, new in renames.items()]
    moved = [(new, _popped(changed, old)) for old, new in paths if _is_in(changed, old)]
    changed |= added or {}
    for path, value in moved:
        _put(changed, path, value)
    return changed


def _found(document: Any, path: list[str]) -> Any:
    """The value at a path; None where there is none."""
    for key in path:
        if not isinstance(document, dict) or key not in document:
            return None
        document = document[key]
    return document


def _is_in(document: Document, path: list[str]) -> bool:
    parent = _found(document, path[:-1])
    return isinstance(parent, dict) and path[-1] in parent


def _popped(document: Document, path: list[str]) -> Any:
    parent = _found(document, path[:-1])
    value = parent.pop(path[-1])
    if len(path) > 1 and not parent:
        _popped(document, path[:-1])
    return value


def _put(document: Any, path: list[str], value: Any) -> None:
    for key in path[:-1]:
        document = document[int(key)] if isinstance(document, list) else document.setdefault(key, {})
    document[path[-1]] = value
