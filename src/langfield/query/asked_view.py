"""Phrases in the picture of one camera, from the scene's index or by LERF's protocol."""

from collections.abc import Sequence
from typing import Literal, get_args

from langfield.core.camera_checks import AXES
from langfield.core.cameras import Camera
from langfield.core.choices import check_choice
from langfield.query.answers import ViewAnswers, ViewTensors
from langfield.query.opened_scene import OpenedScene
from langfield.query.phrase_matcher import PhraseMatcher
from langfield.query.view_answers import score_view_as_lerf, score_view_from_index

Protocol = Literal["langfield", "lerf"]
_SEES_NOTHING = f"this camera sees nothing of the scene: is its pose in other axes, or inverse? {AXES}"


def ask_camera(
    scene: OpenedScene,
    matcher: PhraseMatcher,
    camera: Camera,
    phrases: tuple[str, ...],
    negatives: Sequence[str] | None,
    protocol: Protocol,
    min_presence: float,
) -> ViewAnswers:
    """`langfield.query.session.Session.ask_view` of an opened scene, with what finds its phrases."""
    check_choice("protocol", protocol, get_args(Protocol))
    asked = matcher.prepared(phrases, negatives)
    view = scene.view(camera)
    rgb, depth_world = scene.as_world(view.rendered)
    sees_scene = depth_world.isfinite().any()
    if protocol == "lerf":
        scores = score_view_as_lerf(view, asked)
    else:
        matches = matcher.match(phrases, negatives, min_presence)
        interpolator = scene.interpolator(view)
        groups = scene.groups_in_view(view, matches)
        scores = score_view_from_index(interpolator, asked, matches, scene.observed_scales(), groups)
        sees_scene &= interpolator.reader.near.any()
    tensors = ViewTensors(
        rgb=rgb,
        depth_world=depth_world,
        relevancy=scores.relevancy.float(),
        refined=scores.refined.float(),
        masks=scores.masks,
        scale_world=(scores.scale_scene / scene.scene_from_world.scale).float(),
        best_xy_px=scores.best_xy_px.double(),
        score=scores.score.double(),
    )
    return ViewAnswers.of_tensors(phrases, tensors, None if bool(sees_scene) else _SEES_NOTHING)
