"""The server's pictures for one browser: of one run, or divided between it and its photo, or another run."""

from collections.abc import Callable, Hashable
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from langfield.core.cameras import Camera
from langfield.core.devices import to_host
from langfield.core.errors import UsageError
from langfield.viewer import look
from langfield.viewer.page_camera import PageCamera
from langfield.viewer.run_scene import RunScene
from langfield.viewer.runs import Runs
from langfield.viewer.side_by_side import divided, photo_seen_by
from langfield.viewer.state import BESIDE_PHOTO, BESIDE_RUN, ViewerState, for_run

_PHOTO_PX = 1280  # the longest side of a photo beside a picture
Picture = UInt8[np.ndarray, "h w 3"]
Drawn = UInt8[Tensor, "h w 3"]


class PagePictures:
    """For one thread.

    Args:
        scene: the run that the page shows.
        runs: all of them.
    """

    def __init__(self, scene: RunScene, runs: Runs) -> None:
        self._scene, self._runs = scene, runs
        self._preparing: set[str] = set()
        self._failed: set[str] = set()  # runs that could not be prepared
        # The last picture that was divided: of what, of which camera, and its halves.
        self._halves: tuple[Hashable, PageCamera, Picture, Picture] | None = None

    def is_divided(self, state: ViewerState, camera: PageCamera | None) -> bool:
        """Whether something lies beside the picture: a photo does only where the camera stands at one, and another run
        only once it is ready, for until then it answers nobody."""
        if state.beside == BESIDE_PHOTO:
            return camera is not None and self._scene.photo_here(camera) is not None
        return bool(_run_beside(state)) and not self.waits_for_other_run(state)

    def waits_for_other_run(self, state: ViewerState) -> bool:
        """Whether the run that lies beside is still being made ready."""
        name = _run_beside(state)
        return name in self._runs.names and not self._runs.is_ready(name) and name not in self._failed

    def get_other_run_ready(self, state: ViewerState, failed: Callable[[str], None]) -> bool:
        """Make the run that lies beside ready to be asked, in the background.

        Args:
            failed: is told what went wrong; the run is shown without answers then.

        Returns whether it has become ready, or has failed, since the last call: pictures are to be drawn anew.
        """
        name, waits = _run_beside(state), self.waits_for_other_run(state)
        if waits and name not in self._preparing:
            self._preparing.add(name)

            def tell(said: str) -> None:
                self._failed.add(name)
                failed(said)

            self._runs.prepare_in_background(name, tell)
        changed = not waits and name in self._preparing
        if changed:
            self._preparing.discard(name)
        return changed

    def draw(self, state: ViewerState, group: int | None, camera: PageCamera, longest_px: int) -> Drawn:
        """What a state shows of a camera, where it was drawn.

        Args:
            group: that was clicked.
            longest_px: of the picture's longest side.
        """
        of_world = camera.camera(self._scene.page_from_world, longest_px)
        picture = _drawn(self._scene, state, group, of_world)
        if not self.is_divided(state, camera):
            self._halves = None
            return picture
        if state.beside == BESIDE_PHOTO:  # as sharp as the page, whatever the run can draw in time
            photo = self._photo(camera, camera.camera(self._scene.page_from_world, max(longest_px, _PHOTO_PX)))
            left, right = photo, _resized(to_host(picture)[0], photo.shape)
        else:
            left, right = to_host(picture)[0], to_host(self._of_other_run(state, of_world))[0]
        self._halves = self._key(state, group), camera, left, right
        return torch.from_numpy(divided(left, right, state.divider))

    def with_moved_line(self, state: ViewerState, group: int | None, camera: PageCamera) -> Drawn | None:
        """The last divided picture with the line elsewhere; None if more than that has changed since."""
        if self._halves is None:
            return None
        key, drawn_camera, left, right = self._halves
        if drawn_camera is not camera or key != self._key(state, group):
            return None
        return torch.from_numpy(divided(left, right, state.divider))

    def _key(self, state: ViewerState, group: int | None) -> Hashable:
        ready = self._runs.is_ready(_run_beside(state))
        same = replace(state, divider=0.5, keyframes=(), boxes=True, photos=False, sharpen=True)
        return same, group, ready

    def _photo(self, camera: PageCamera, of_world: Camera) -> Picture:
        view = self._scene.photo_here(camera)
        assert view is not None
        longest_px = max(of_world.width_px, of_world.height_px)
        photo = self._scene.run_photos.photo(view, longest_px)
        if photo is None:
            raise UsageError(f"the scene of {self._scene.name} cannot be opened, so that its photos cannot be shown")
        own = view.camera.fit_within(longest_px)
        return photo_seen_by(photo, own, of_world)

    def _of_other_run(self, state: ViewerState, of_world: Camera) -> Drawn:
        name = _run_beside(state)
        if name not in self._runs.names:
            raise UsageError(f"there is no run {name} any more")
        other = self._runs.scene(name)
        if other.session.info.scene_fingerprint != self._scene.session.info.scene_fingerprint:
            raise UsageError(f"{name} is a run of another scene: only runs of one scene can be compared")
        has_language = other.session.has_language and self._runs.is_ready(name)
        return _drawn(other, for_run(state, has_language, other.session.has_groups), None, of_world)


def _run_beside(state: ViewerState) -> str:
    """The name of the run that lies beside; "" for none."""
    return state.beside.removeprefix(BESIDE_RUN) if state.beside.startswith(BESIDE_RUN) else ""


def _drawn(scene: RunScene, state: ViewerState, group: int | None, camera: Camera) -> Drawn:
    things = scene.things if state.layer == "Objects" else ()
    return look.picture(scene.session, camera, look.Look(state, group, things))


def _resized(picture: Picture, shape: tuple[int, ...]) -> UInt8[np.ndarray, "r c 3"]:
    height, width = shape[:2]
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BILINEAR))
