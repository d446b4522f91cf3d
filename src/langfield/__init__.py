"""langfield: search a 3D scene with words.

    import langfield

    langfield.train("photos/kitchen", "runs/kitchen")
    run = langfield.open("runs/kitchen")
    for answer in run.query(["wooden spoon", "something to drink from"]):
        print(answer.phrase, answer.present, answer.position)
    langfield.evaluate("runs/kitchen").to_json()

What is named here is the public API; all else is internal. Importing the package is quick: torch is loaded when the
first of these names is used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from langfield.core.cameras import Camera
    from langfield.core.errors import LangfieldError
    from langfield.core.observed_scales import ObservedScales
    from langfield.core.splats import Splats
    from langfield.data.scene import open_scene
    from langfield.data.views import Scene
    from langfield.encoders.base import ImageTextEncoder
    from langfield.evaluation.result import EvaluationReport
    from langfield.export.answers import coco_document
    from langfield.features.targets import PictureTarget
    from langfield.models.base import Model
    from langfield.models.heads import Coupling, CouplingConfig, Head, HeadConfig
    from langfield.models.nerf.affinity import AffinityConfig, AffinityLanguageConfig
    from langfield.models.nerf.heads import PointHead
    from langfield.models.presets import TrainingRecipe, preset
    from langfield.pipelines.bake import BakeReport, bake
    from langfield.pipelines.lift import lift
    from langfield.pipelines.measure import evaluate
    from langfield.pipelines.opening import open_run as open
    from langfield.pipelines.run_making import TrainReport
    from langfield.pipelines.train import train
    from langfield.query.answers import Answer, Hit, ViewAnswers, ViewTensors
    from langfield.query.boxes import Box, OrientedBox
    from langfield.query.objects import GroupShape, SceneObject
    from langfield.query.session import Session
    from langfield.runs.info import RunInfo, RunView

    __version__: str

# Where each public name is; `open` is called `open_run` where it is.
_HOMES = {
    "AffinityConfig": "models.nerf.affinity",
    "AffinityLanguageConfig": "models.nerf.affinity",
    "Answer": "query.answers",
    "BakeReport": "pipelines.bake",
    "Box": "query.answers",
    "Camera": "core.cameras",
    "Coupling": "models.heads",
    "CouplingConfig": "models.heads",
    "EvaluationReport": "evaluation.result",
    "GroupShape": "query.objects",
    "Head": "models.heads",
    "HeadConfig": "models.heads",
    "Hit": "query.answers",
    "ImageTextEncoder": "encoders.base",
    "LangfieldError": "core.errors",
    "Model": "models.base",
    "ObservedScales": "core.observed_scales",
    "OrientedBox": "query.answers",
    "PictureTarget": "features.targets",
    "PointHead": "models.nerf.heads",
    "RunInfo": "runs.info",
    "RunView": "runs.info",
    "Scene": "data.views",
    "SceneObject": "query.objects",
    "Session": "query.session",
    "Splats": "core.splats",
    "TrainReport": "pipelines.run_making",
    "TrainingRecipe": "models.presets",
    "ViewAnswers": "query.answers",
    "ViewTensors": "query.answers",
    "bake": "pipelines.bake",
    "coco_document": "export.answers",
    "evaluate": "pipelines.measure",
    "lift": "pipelines.lift",
    "open": "pipelines.opening",
    "open_scene": "data.scene",
    "preset": "models.presets",
    "train": "pipelines.train",
}

__all__ = [
    "AffinityConfig",
    "AffinityLanguageConfig",
    "Answer",
    "BakeReport",
    "Box",
    "Camera",
    "Coupling",
    "CouplingConfig",
    "EvaluationReport",
    "GroupShape",
    "Head",
    "HeadConfig",
    "Hit",
    "ImageTextEncoder",
    "LangfieldError",
    "Model",
    "ObservedScales",
    "OrientedBox",
    "PictureTarget",
    "PointHead",
    "RunInfo",
    "RunView",
    "Scene",
    "SceneObject",
    "Session",
    "Splats",
    "TrainReport",
    "TrainingRecipe",
    "ViewAnswers",
    "ViewTensors",
    "bake",
    "coco_document",
    "evaluate",
    "lift",
    "open",
    "open_scene",
    "preset",
    "train",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return import_module("langfield.core.version").package_version()
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"langfield.{_HOMES[name]}"), "open_run" if name == "open" else name)
