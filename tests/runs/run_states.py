"""Small runs whose every file says which state it is of, so that a mix of two states cannot hide."""

import numpy as np
import torch

from langfield.core.transforms import Similarity
from langfield.runs.directory import Run, save_run
from langfield.runs.info import RunInfo


def an_info(**changes) -> RunInfo:
    parts = {
        "seed": 7,
        "model": "toy",
        "model_config": {"levels": 4, "grid": {"low": 16, "resolutions": (16, 128)}},
        "model_context": {"photos": 9, "target_dims": {"embedding": 32}, "crop_angles": None},
        "training_config": {"steps": 40, "rays": 64, "save_every": 300.0, "report_every": 50},
        "encoders": {"image_text": {"id": "builtin:mini", "dim": 32}},
        "scene_path": "photos/shelf",
        "scene_fingerprint": "ab" * 32,
        "scene_from_world": Similarity(np.eye(3), np.array([0.1, -2.0, 1 / 3]), 0.7).matrix,
        "created": "2026-01-02T03:04:05+00:00",
        "package_version": "0.1.0",
    }
    return RunInfo(**(parts | changes))


def save_state(path, state: int, numbers: int = 50) -> None:
    tensors = {
        "model": {"weight": torch.full((numbers,), float(state)), "count": torch.tensor(state)},
        "training": {"moment": torch.full((numbers,), float(state))},
    }
    save_run(path, an_info(steps_done=state), tensors, {"state": state})


def state_of(run: Run) -> int:
    """The one state that all files of the run agree on."""
    states = {run.info.steps_done, run.training_document()["state"], int(run.tensors("model")["count"])}
    states |= set(run.tensors("model")["weight"].int().tolist()) | set(run.tensors("training")["moment"].int().tolist())
    assert len(states) == 1, f"a mix of states: {states}"
    return states.pop()
