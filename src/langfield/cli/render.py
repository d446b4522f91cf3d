"""`langfield render`: pictures or videos of a run from its photos' cameras or along a camera path."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

import tyro

from langfield.cli.console import Console
from langfield.cli.options import Flag, OptionalInt, OptionalPath, RunOptions, Texts, flat
from langfield.core.errors import UsageError
from langfield.core.progress import ProgressEvent

if TYPE_CHECKING:
    import numpy as np

    from langfield.core.cameras import Camera
    from langfield.query.session import Session

RenderOutput = Literal["rgb", "depth", "relevancy", "refined", "composited", "mask"]
Outputs = tyro.conf.UseAppendAction[  # as options.Texts
    Annotated[
        tuple[tuple[RenderOutput, ...], ...],
        tyro.conf.arg(metavar=f"{{{','.join(get_args(RenderOutput))}}}…", help_behavior_hint=""),
    ]
]
_DEFAULT_OUTPUTS: tuple[RenderOutput, ...] = ("rgb", "depth")
_OF_PHRASES = ("relevancy", "refined", "composited", "mask")
_PHRASES_AT_ONCE = 16  # so that the maps of only so many are in memory
_FPS = 24
_MAX_BETWEEN = 1000


@dataclass(frozen=True, kw_only=True)
class RenderCommand(RunOptions):
    """Write pictures or videos of a run, seen from its photos' cameras or along a camera path."""

    out: Path
    """The folder to write to."""

    outputs: Outputs = ()
    """rgb: the picture. depth: near is red.
    relevancy: as the model renders it. refined: by what all photos say of the surface.
    composited: refined relevancy over the picture, inside of the answer. mask: white where the answer is.
    rgb and depth, if not given.
    Takes all words up to the next option or --, and may be given again."""

    phrase: Texts = ()
    """Phrases for relevancy, refined, composited and mask, each in quotes.
    Takes all words up to the next option or --, and may be given again."""

    negative: Texts = ()
    """Phrases that the asked ones compete with. The encoder's own, if not given.
    Takes all words up to the next option or --, and may be given again."""

    views: Texts = ()
    """test, train, all, or names of photos. test, if not given.
    Takes all words up to the next option or --, and may be given again."""

    camera_path: OptionalPath = None
    """A file of cameras to use instead of the photos'.
    It is nerfstudio's camera_path.json, but in the frame of the photos' own poses."""

    video: Flag = False
    """Write one animated WebP for each output and phrase instead of single pictures.
    Along photos, all have the size and lens of the first."""

    between: int = 0
    """In a video of photos' cameras: so many more pictures on a smooth way from each view to the next."""

    fps: OptionalInt = None
    """Pictures a second of a video. The camera path's, else 24, if not given."""

    width: OptionalInt = None
    """Width of the pictures in pixels. That of the photos or the camera path, if not given."""

    raw: Flag = False
    """Also write the numbers behind each view as .npz: depth_world; of phrases relevancy, refined, masks, scale_world.
    They are in memory for all phrases at once."""

    def run(self, console: Console) -> dict[str, Any]:
        """Render; returns what `--json` prints."""
        self._check()
        from langfield.cli.files import ANOTHER_FOLDER, make_folder, write_picture
        from langfield.core.video import Video

        session = self.opened()
        cameras, names, fps = self._cameras(session)
        make_folder(self.out)
        if self.phrase:  # makes the scene's index, and tells how far that is
            session.query(flat(self.phrase), negatives=flat(self.negative) or None, progress=console.progress)
        start = time.monotonic()
        files: list[Path] = []
        videos: dict[str, Video] = {}
        with ExitStack() as open_videos:
            for done, (camera, name) in enumerate(zip(cameras, names, strict=True)):
                console.progress(ProgressEvent("rendering", done, len(cameras), "views", time.monotonic() - start))
                for output, picture in self._pictures(session, camera, self.out / f"{name}_raw.npz"):
                    if not self.video:
                        files.append(write_picture(self.out / f"{name}_{output}.png", picture))
                        continue
                    if output not in videos:
                        video = Video(self.out / f"{output}.webp", fps, ANOTHER_FOLDER)
                        videos[output] = open_videos.enter_context(video)
                    videos[output].add(_in_colour(picture))
                if self.raw:
                    files.append(self.out / f"{name}_raw.npz")
        files += [video.path for video in videos.values()]
        console.progress(ProgressEvent("rendering", len(cameras), len(cameras), "views", time.monotonic() - start))
        console.say(f"{len(files)} files in {self.out}")
        return {"files": [str(file) for file in files]}

    def _check(self) -> None:
        """Raise UsageError for options that do not fit together."""
        from langfield.core.video import MAX_FPS

        asked = [output for output in flat(self.outputs) if output in _OF_PHRASES]
        if asked and not any(self.phrase):
            raise UsageError(f"--outputs {' '.join(asked)} needs a phrase: add --phrase 'wooden spoon'")
        if self.width is not None and not 1 <= self.width <= 16384:
            raise UsageError(f"--width must be 1 to 16384 pixels, got {self.width}")
        if self.fps is not None and not 1 <= self.fps <= MAX_FPS:
            raise UsageError(f"--fps must be 1 to {MAX_FPS}, got {self.fps}")
        if not 0 <= self.between <= _MAX_BETWEEN:
            raise UsageError(f"--between must be 0 to {_MAX_BETWEEN} pictures, got {self.between}")
        if not self.video and (self.between or self.fps is not None):
            raise UsageError("--between and --fps belong to a video: add --video, or leave them out")
        if self.camera_path is not None and (any(self.views) or self.between):
            raise UsageError("--views and --between belong to photos' cameras: leave them out, or --camera-path")

    def _cameras(self, session: "Session") -> "tuple[list[Camera], list[str], float]":
        """The cameras to render (world frame), the stem of each one's files, and pictures a second of a video."""
        from langfield.cli.camera_path import read_camera_path
        from langfield.cli.files import numbered_slugs
        from langfield.core.camera_paths import cameras_between
        from langfield.core.video import MAX_SIDE_PX

        fps, names = None, []
        if self.camera_path is not None:
            path = read_camera_path(self.camera_path)
            cameras, fps = path.cameras, path.fps
        else:
            from langfield.cli.view_selection import chosen_views

            views = chosen_views(session, flat(self.views) or ("test",))
            cameras = [view.camera for view in views]
            if self.video:
                cameras = cameras_between(cameras, self.between)
            else:
                names = numbered_slugs([Path(view.name).with_suffix("").as_posix() for view in views])
        cameras = [self._sized(camera) for camera in cameras]
        longest_px = max(cameras[0].width_px, cameras[0].height_px)
        if self.video and longest_px > MAX_SIDE_PX:
            raise UsageError(f"a video's sides are at most {MAX_SIDE_PX} pixels, got {longest_px}: lower --width")
        names = names or [f"{number:05d}" for number in range(1, len(cameras) + 1)]
        return cameras, names, float(self.fps or fps or _FPS)

    def _sized(self, camera: "Camera") -> "Camera":
        if self.width is None:
            return camera
        return camera.resized(self.width, max(1, round(camera.height_px * self.width / camera.width_px)))

    def _pictures(self, session: "Session", camera: "Camera", raw: Path) -> "Iterator[tuple[str, Any]]":
        """The name and the picture of each output of one camera, made one at a time; with --raw also writes `raw`."""
        import numpy as np

        from langfield.cli.files import numbered_slugs, write_arrays
        from langfield.query.pictures import composited, depth_picture, relevancy_picture

        outputs, phrases = flat(self.outputs) or _DEFAULT_OUTPUTS, flat(self.phrase)
        names, negatives = numbered_slugs(phrases), flat(self.negative) or None
        numbers: dict[str, list[np.ndarray]] = {name: [] for name in ("relevancy", "refined", "masks", "scale_world")}
        for start in range(0, max(1, len(phrases)), _PHRASES_AT_ONCE):
            group = phrases[start : start + _PHRASES_AT_ONCE]
            answers = session.ask_view(camera, group, negatives=negatives) if group else None
            rgb, depth = session.picture(camera) if answers is None else (answers.rgb, answers.depth_world)
            if start == 0:
                if "rgb" in outputs:
                    yield "rgb", rgb
                if "depth" in outputs:
                    yield "depth", depth_picture(depth)
                numbers["depth_world"] = [depth]
            if answers is None:
                continue
            for index, name in enumerate(names[start : start + len(group)]):
                if "relevancy" in outputs:
                    yield f"relevancy_{name}", relevancy_picture(answers.relevancy[index])
                if "refined" in outputs:
                    yield f"refined_{name}", relevancy_picture(answers.refined[index])
                if "composited" in outputs:
                    yield f"composited_{name}", composited(rgb, answers.refined[index], answers.masks[index])
                if "mask" in outputs:
                    yield f"mask_{name}", answers.masks[index]
            for name in ("relevancy", "refined", "masks", "scale_world") if self.raw else ():
                numbers[name].append(getattr(answers, name))
        if self.raw:
            write_arrays(raw, **{name: np.concatenate(parts) for name, parts in numbers.items() if parts})


def _in_colour(picture: "np.ndarray") -> "np.ndarray":
    """A picture in colour; a mask in black and white."""
    return picture if picture.ndim == 3 else picture[..., None].repeat(3, axis=2).astype("uint8") * 255
