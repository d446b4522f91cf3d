"""Frames of a camera that moves: what `Session.picture_jpeg` shows of a field's points, or of what a model renders."""

from collections.abc import Callable
from typing import Literal, get_args

from jaxtyping import Float, UInt8
from torch import Tensor

from langfield.core.cameras import Camera
from langfield.core.choices import check_choice
from langfield.core.errors import UsageError
from langfield.query.frames import depth_colours, relevancy_over, turbo_colours
from langfield.query.index.scene_index import PhraseMatch
from langfield.query.opened_scene import OpenedScene
from langfield.query.phrase_arguments import one_text
from langfield.query.pictures import bytes_of_colours
from langfield.query.point_frames import drawn, smoothed

Layer = Literal["rgb", "depth", "relevancy", "composited"]


def checked_frame(layer: str, phrase: str | None, quality: int) -> tuple[str, ...]:
    """The phrase of a frame, if its layer shows one. UsageError for another layer or quality, and for a phrase that is
    missing or that the layer does not show."""
    check_choice("layer", layer, get_args(Layer))
    if (phrase is None) != (layer in ("rgb", "depth")):
        given = "takes no phrase" if phrase is not None else 'needs a phrase, such as phrase="mug"'
        raise UsageError(f"the layer {layer} {given}")
    if not isinstance(quality, int) or not 1 <= quality <= 100:
        raise UsageError(f"quality must be a whole number from 1 to 100, found {quality!r}")
    return () if phrase is None else (one_text(phrase, "phrase"),)


def rendered_frame(
    scene: OpenedScene, camera: Camera, layer: Layer, relevancy: Callable[[], Float[Tensor, "h w"]]
) -> UInt8[Tensor, "h w 3"]:
    """A layer as the model renders it; only that is rendered.

    Args:
        camera: of the world frame.
        relevancy: gives that of the phrase in this camera's picture, for layers that show it.
    """
    if layer == "relevancy":
        return turbo_colours(relevancy())
    rgb, depth_world = scene.picture_tensors(camera)
    if layer == "composited":
        return relevancy_over(rgb, relevancy())
    return rgb if layer == "rgb" else depth_colours(depth_world)


def points_frame(scene: OpenedScene, camera: Camera, layer: Layer, match: PhraseMatch | None) -> UInt8[Tensor, "h w 3"]:
    """A layer drawn with the points of the surface; relevancy is the refined one, its mask that of the phrase's hits.

    Args:
        camera: of the world frame.
        match: the phrase in the scene, for layers that show relevancy.
    """
    points = scene.points
    shown, depth = points.shown_by(scene.in_scene(camera))
    if layer == "depth":
        return depth_colours(depth)
    rgb = bytes_of_colours(smoothed(drawn(points.rgb, shown), depth))
    if match is None:
        return rgb
    picture = smoothed(drawn(scene.points_asked(match), shown), depth)
    if layer == "relevancy":
        return turbo_colours(picture[..., 0])
    return relevancy_over(rgb, picture[..., 0], picture[..., 1] > 0.5)
