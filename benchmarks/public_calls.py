"""Public calls of a session, whole, as a program waits for them: by the host's clock, from an idle device until the
result is there. Nothing that a call needs is computed outside the clock, but what a session keeps between questions
(the scene's index, and encoded phrases that were asked before)."""

from collections.abc import Callable, Iterable
from itertools import count
from pathlib import Path

import numpy as np
import torch

import langfield
from langfield.core.cameras import Camera
from langfield.core.config import config_to_json
from langfield.encoders.registry import load_image_text
from langfield.query.session import Session
from langfield.runs.directory import save_run
from langfield.runs.info import RunInfo, RunView
from measuring import latency_ms
from splat_scenes import made_splat, orbit

_PHOTOS = 16
_PHOTO_SIZE = 640, 480


def made_run(folder: Path, gaussians: int, encoder: str, device: torch.device, photo: tuple[int, int]) -> Session:
    """A made room of so many Gaussians as a run in `folder`, opened as anybody opens one."""
    card = load_image_text(encoder, device).card
    model = made_splat(gaussians, device, embed_dim=card.embed_dim)
    info = RunInfo(
        seed=0,
        model=model.name,
        model_config=config_to_json(model.config),
        model_context=config_to_json(model.context),
        training_config={},
        encoders={"image_text": card.to_json()},
        scene_path=str(folder),
        scene_fingerprint="made",
        scene_from_world=np.eye(4),
        views=tuple(RunView(f"{n}.png", "train", camera) for n, camera in enumerate(orbit(_PHOTOS, *photo))),
    )
    folder.mkdir(parents=True, exist_ok=True)
    save_run(folder, info, {"model": model.state_dict()})
    return langfield.open(folder, device=str(device))


def call_times(
    session: Session, cameras: Iterable[Camera], phrase: str, repeats: int = 20
) -> dict[str, dict[str, float]]:
    """Median milliseconds of each public call: with another camera each time ("moving_camera"), with one camera
    ("standing_camera"), and for phrases that nobody asked before ("new_phrase").

    Args:
        cameras: of the world frame, no two alike: at least 3 · (repeats + 1) + 1.
    """
    unseen, numbers = iter(cameras), count()
    standing = next(unseen)

    def clock(call: Callable[[], object]) -> float:
        return latency_ms(call, session.device, repeats)

    def new() -> str:
        return f"{phrase} number {next(numbers)}"

    session.query([phrase])  # the index is made once for all
    return {
        "moving_camera": {
            "quick_relevancy": clock(lambda: session.quick_relevancy(next(unseen), [phrase])),
            "picture": clock(lambda: session.picture(next(unseen))),
            "ask_view": clock(lambda: session.ask_view(next(unseen), [phrase])),
        },
        "standing_camera": {
            "quick_relevancy": clock(lambda: session.quick_relevancy(standing, [phrase])),
            "picture": clock(lambda: session.picture(standing)),
            "ask_view": clock(lambda: session.ask_view(standing, [phrase])),
            "query": clock(lambda: session.query([phrase])),
        },
        "new_phrase": {
            "quick_relevancy": clock(lambda: session.quick_relevancy(standing, [new()])),
            "ask_view": clock(lambda: session.ask_view(standing, [new()])),
            "query": clock(lambda: session.query([new()])),
        },
    }


def told(found: dict[str, dict[str, float]]) -> list[list[object]]:
    """Rows of a table: what is asked, the call, milliseconds, calls a second."""
    return [
        [what.replace("_", " "), call, milliseconds, 1e3 / milliseconds]
        for what, calls in found.items()
        for call, milliseconds in calls.items()
    ]


HEADER = ["asked", "public call", "ms", "calls a second"]
