"""What each choice in lifting language is worth: a run's Gaussians are given language again, one setting changed.

    python benchmarks/lifting_ablations.py RUN SCENE --out ablations.json

RUN is a trained run of Gaussians of SCENE, which has queries.json; nothing is trained, and crops are encoded (or read
from the cache) once. Settings come in groups (--groups takes some):

    base        as the run was lifted
    kept        sparse codes of a Gaussian at a level
    min_contribution pixels of light without which a Gaussian says nothing (of the picture lifted from: see side)
    coherence   share of its weights' length that an element's mean must have, not to count as a contradiction
    robust      without the trimming of weights about the median
    codes       rows of the codebook
    per_crop    sparse codes of a crop
    side        longest side of the pictures lifted from
    levels      sizes of crops: each alone, and fewer of them, as if the run had been made with those only. Scales that
                are asked, and the size of the surface's voxels, follow from the crops, as they would then.

For each it prints localisation and mIoU (by LERF-OVS's rule) of the kinds object, attribute and synonym, and presence's
AUROC, all as `langfield eval` counts them; seconds to lift and to evaluate, and bytes of language. Settings that differ
only in what is kept of the same sums (kept, min_contribution, coherence, robust) share them; each counts the time of
all of it. --out is written anew after each setting, so that a run that is stopped loses one.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from langfield.core.config import config_from_json, config_to_json
from langfield.core.errors import LangfieldError
from langfield.core.progress import silent
from langfield.core.sampling import subsample_evenly
from langfield.data.views import Scene
from langfield.evaluation.evaluator import evaluate
from langfield.evaluation.result import EvaluationReport
from langfield.features.photos import TrainingPhotos
from langfield.features.pyramid import PyramidFeatures, PyramidRecipe
from langfield.fields.language_map import LanguageMap
from langfield.models.config import ModelContext
from langfield.models.gaussians.lifting import lift_language, lift_weights
from langfield.models.gaussians.splat import LiftingConfig, Splat
from langfield.pipelines.opening import OpenedToMeasure, open_to_measure
from langfield.pipelines.stages import crop_angles, make_features
from measuring import machine, synchronise, table

_GROUPS = ("base", "kept", "min_contribution", "coherence", "robust", "codes", "per_crop", "side", "levels")
_SHOWN = ("setting", "localisation", "miou", "auroc", "lift_s", "eval_s", "language_bytes")


@dataclass(frozen=True)
class Values:
    """What is tried besides the run's own settings."""

    kept: tuple[int, ...] = (1, 2, 4, 8)
    min_contribution: tuple[float, ...] = (0.0, 0.5, 2.0, 8.0)
    coherence: tuple[float, ...] = (0.0, 0.25, 0.75)  # 0.5 is the usual one
    codes: tuple[int, ...] = (32, 64, 128, 256, 512)
    per_crop: tuple[int, ...] = (1, 2, 4)
    side: tuple[int, ...] = (160, 320, 640)
    most_alone: int = 99  # levels that are tried alone


_SMALL = Values(
    kept=(1,), min_contribution=(0.0,), coherence=(0.0,), codes=(4,), per_crop=(1,), side=(24,), most_alone=1
)


@dataclass(frozen=True)
class Setting:
    """One way to lift.

    Attributes:
        levels: which of the run's crop sizes.
        choices: of `LanguageMap.from_weights`, besides those of `lifting`.
    """

    group: str
    name: str
    lifting: LiftingConfig
    levels: tuple[int, ...]
    choices: tuple[tuple[str, float], ...] = ()

    @property
    def sums(self) -> tuple[Any, ...]:
        """All that the weights of codes depend on: settings of equal sums can share them."""
        return self.lifting.codes, self.lifting.codes_per_crop, self.lifting.side_px, self.levels


def settings(base: LiftingConfig, ratios: Sequence[float], values: Values) -> list[Setting]:
    """The base and what differs from it in one thing; those of equal sums follow each other."""
    every = tuple(range(len(ratios)))
    found = [Setting("base", "as the run", base, every)]

    def tried(group: str, changed: Iterable[tuple[str, dict[str, Any]]]) -> None:
        found.extend(Setting(group, name, replace(base, **change), every) for name, change in changed)

    tried("kept", ((f"{n} kept", {"codes_kept": n}) for n in values.kept))
    tried("min_contribution", ((f"light {x:g} px", {"min_contribution": x}) for x in values.min_contribution))
    for x in values.coherence:
        found.append(Setting("coherence", f"coherence {x:g}", base, every, (("min_coherence", x),)))
    tried("robust", [("robust" if not base.robust else "not robust", {"robust": not base.robust})])
    tried("codes", ((f"{n} codes", {"codes": n}) for n in values.codes))
    tried("per_crop", ((f"{n} a crop", {"codes_per_crop": n}) for n in values.per_crop))
    tried("side", ((f"side {n} px", {"side_px": n}) for n in values.side))
    fewer = [(level,) for level in every[: values.most_alone]] + [every[::3], every[::2], every[1:], every[:-1]]
    found += [Setting("levels", " ".join(f"{ratios[n]:g}" for n in some), base, some) for some in fewer if some]
    different: dict[Any, Setting] = {}
    for setting in found:
        different.setdefault((setting.lifting, setting.levels, setting.choices), setting)
    return list(different.values())


def sharing(chosen: Sequence[Setting]) -> list[list[Setting]]:
    """The settings, those of equal sums together."""
    groups: dict[tuple[Any, ...], list[Setting]] = {}
    for setting in chosen:
        groups.setdefault(setting.sums, []).append(setting)
    return list(groups.values())


# -- lifting ---------------------------------------------------------------------------------------------------------


class Ablation:
    """A run with its crops' embeddings, ready to be lifted in any way."""

    def __init__(self, opened: OpenedToMeasure, say: Callable[[str], None] = print) -> None:
        """Encode the crops that the run was lifted from. Raises SystemExit for a run that was not."""
        session, training = opened.session, opened.session.info.training_config
        if not isinstance(session.model, Splat) or "pyramid" not in training:
            raise SystemExit("only runs of Gaussians that crops were lifted to can be lifted again")
        self.opened, self.model, self.device = opened, session.model, session.device
        self.scene: Scene = opened.scene
        self.views = subsample_evenly(self.scene.train, training["feature_views"])
        self.photos = TrainingPhotos(self.scene, self.views)
        ratios, stride_ratio = (training["pyramid"][name] for name in ("tile_ratios", "stride_ratio"))
        self.recipe = PyramidRecipe(tuple(ratios), stride_ratio)
        encoders = session.encoder, None
        bank = make_features(self.photos, encoders, self.recipe, self.device, silent, say)
        self.pyramid = bank.pyramid

    def lifted(self, alike: Sequence[Setting]) -> Iterator[tuple[Setting, LanguageMap, float]]:
        """Language by settings of equal sums, and the seconds that each would take alone."""
        first, maps = alike[0], []
        pyramid = only_levels(self.pyramid, self.scene, self.views, self.recipe, first.levels)

        self.model.config = replace(self.model.config, lifting=first.lifting)
        synchronise(self.device)
        start = time.perf_counter()
        lifted, weighing_s = lift_weights(self.model, self.photos, pyramid), 0.0
        weights: Iterable[Tensor] = lifted.weights
        if len(alike) > 1:
            weights = list(weights)
            weighing_s = self._since(start)
        for setting in alike:
            begun, own = time.perf_counter(), setting.lifting
            options: dict[str, Any] = {
                "keep": own.codes_kept,
                "min_contribution": own.min_contribution,
                "robust": own.robust,
            }
            of_gaussians = lifted.contribution, lifted.distance_scene, lifted.crop_angles
            made = LanguageMap.from_weights(
                lifted.codebook, weights, *of_gaussians, **(options | dict(setting.choices))
            )
            maps.append((made.to(self.device), self._since(begun)))
        whole_s = self._since(start)
        for setting, (language, making_s) in zip(alike, maps, strict=True):
            yield setting, language, whole_s if len(alike) == 1 else weighing_s + making_s

    def warm_up(self) -> None:
        """One photo, so that what only a first time takes is nobody's."""
        lift_language(self.model, TrainingPhotos(self.scene, self.views[:1]), self.pyramid)

    def evaluated(self, setting: Setting, language: LanguageMap) -> EvaluationReport:
        """The figures of the run, had it been lifted so."""
        session, info = self.opened.session, self.opened.session.info
        self.model.language = language
        recipe = _of_levels(self.recipe, setting.levels)
        context = config_from_json(ModelContext, dict(info.model_context), "model.context")
        cameras = [self.photos.camera(index) for index in self.views]
        context = replace(context, crop_angles=crop_angles(cameras, recipe))
        made = replace(
            info,
            model_config=config_to_json(replace(self.model.config, lifting=setting.lifting)),
            model_context=config_to_json(context),
            training_config=dict(info.training_config) | {"pyramid": recipe.to_json()},
        )
        return evaluate(
            session.beside(made, self.model),
            self.scene,
            queries=self.opened.queries,
            max_side_px=self.opened.max_side_px,
            device=self.device,
            pictures=False,
        )

    def _since(self, start: float) -> float:
        synchronise(self.device)
        return time.perf_counter() - start


def only_levels(
    pyramid: PyramidFeatures, scene: Scene, views: Sequence[int], recipe: PyramidRecipe, levels: Sequence[int]
) -> PyramidFeatures:
    """The pyramid that the recipe with some of its levels makes: a codebook is learnt from these crops alone."""
    if len(levels) == pyramid.levels:
        return pyramid
    fewer = _of_levels(recipe, levels)
    first, tiles = pyramid.first_row[:, levels].flatten().tolist(), pyramid.grid[:, levels].prod(dim=-1).flatten()
    rows = torch.cat([torch.arange(a, a + n) for a, n in zip(first, tiles.tolist(), strict=True)])
    kept = pyramid.rows[rows.to(pyramid.rows.device)]
    of_photos = [fewer.levels(*scene.views[index].size_px) for index in views]
    return PyramidFeatures.from_rows(kept, views, of_photos, fewer).to(pyramid.rows.device)


def _of_levels(recipe: PyramidRecipe, levels: Sequence[int]) -> PyramidRecipe:
    return replace(recipe, tile_ratios=tuple(recipe.tile_ratios[level] for level in levels))


# -- the command -----------------------------------------------------------------------------------------------------


def row(setting: Setting, report: EvaluationReport, language: LanguageMap, lift_s: float) -> dict[str, Any]:
    """What a setting came to."""
    found = report.to_json()
    headline, presence = found["localisation"]["headline"], found["presence"]
    return {
        "group": setting.group,
        "setting": setting.name,
        "localisation": headline["hits"] / max(headline["total"], 1),
        **headline,
        "miou": found["miou"],
        "mask_miou": found["figures"].get("mask_iou", {}).get("micro"),
        "auroc": presence["auroc"],
        "present_right": presence["present"]["right"],
        "absent_right": presence["absent"]["right"],
        "lift_s": lift_s,
        "eval_s": report.seconds,
        "language_bytes": language.memory_bytes,
        "answering": float(language.seen.float().mean()),
        "levels": setting.levels,
        "lifting": asdict(setting.lifting),
    }


def main() -> None:
    options = _options()
    try:
        _measure(options)
    except LangfieldError as error:
        raise SystemExit(str(error)) from None


def _measure(options: argparse.Namespace) -> None:
    start = time.perf_counter()
    opened = open_to_measure(
        options.run, scene=options.scene, encoder=options.encoder, max_side_px=options.side, device=options.device
    )
    if opened.queries is None:
        raise SystemExit(f"{options.scene} has no queries.json, so that nothing can be asked")
    here = machine(opened.session.device)
    print(f"{here['device']}, torch {here['torch']}")
    ablation = Ablation(opened)
    base = ablation.model.config.lifting
    every = settings(base, ablation.recipe.tile_ratios, _SMALL if options.small else Values())
    chosen = [setting for setting in every if setting.group in ("base", *options.groups)]
    ablation.warm_up()
    found: dict[str, Any] = {
        "what": "lifting ablations",
        "machine": here,
        "scene": opened.scene.root.name,
        "gaussians": ablation.model.gaussians.count,
        "photos": len(ablation.views),
        "tile_ratios": ablation.recipe.tile_ratios,
        "language_side_px": opened.max_side_px,
        "rows": [],
    }
    print(f"{found['gaussians']:,} Gaussians, {found['photos']} photos; {len(chosen)} settings", flush=True)
    for alike in sharing(chosen):
        if found["rows"] and time.perf_counter() - start > options.seconds:
            print(f"no time left for {', '.join(setting.name for setting in alike)}")
            continue
        for setting, language, lift_s in ablation.lifted(alike):
            found["rows"].append(row(setting, ablation.evaluated(setting, language), language, lift_s))
            print(_line(found["rows"][-1]), flush=True)
            found["seconds"] = time.perf_counter() - start
            if options.out:
                Path(options.out).write_text(json.dumps(found, indent=1) + "\n")
    _tell(found["rows"])


def _line(found: dict[str, Any]) -> str:
    figures = ", ".join(f"{name} {found[name]:.4g}" for name in ("localisation", "miou", "auroc", "lift_s", "eval_s"))
    return f"{found['setting']}: {figures}, {found['language_bytes'] / 1e6:.1f} MB"


def _tell(rows: Sequence[dict[str, Any]]) -> None:
    base = [row for row in rows if row["group"] == "base"]
    for group in dict.fromkeys(row["group"] for row in rows if row["group"] != "base"):
        shown = [*base, *(row for row in rows if row["group"] == group)]
        print(f"\nLanguage lifted again: {group}\n")
        print(table(list(_SHOWN), [[row[name] for name in _SHOWN] for row in shown]))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("scene")
    parser.add_argument("--groups", nargs="*", choices=_GROUPS, default=list(_GROUPS), help="base is always there")
    parser.add_argument("--encoder", help="spec of the run's image-text encoder where it has moved")
    parser.add_argument("--side", type=int, help="longest side of the pictures that phrases are asked on, in pixels")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no further lifting after so many")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--small", action="store_true", help="so few settings that a CPU does them in seconds")
    parser.add_argument("--out", default="", help="a JSON file")
    return parser.parse_args()


if __name__ == "__main__":
    main()
