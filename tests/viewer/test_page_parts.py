"""Parts of the page that need no page: names under the mouse, divided pictures, photos, keys, videos."""

import html
import io
import json
import re
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from PIL import Image

pytest.importorskip("viser", reason="the viewer's extra is not installed: pip install 'langfield[view]'")

from tests.query.fake_session import WORLD_FROM_SCENE
from tests.query.fake_world import camera_at
from tests.viewer.worlds import runs, wall_session
from viser import ClientHandle

from langfield.core.cameras import Camera
from langfield.core.errors import DataError, UsageError
from langfield.query.session import Session
from langfield.viewer import client_page, look, page_video
from langfield.viewer.client_page import ClientPage
from langfield.viewer.hover_names import NamesInView, names_in_view, numbers_of_masks
from langfield.viewer.page_camera import PageCamera, page_camera
from langfield.viewer.page_commands import COMMAND_KEYS, HIDE, add_commands, next_of
from langfield.viewer.page_pictures import PagePictures
from langfield.viewer.page_script import page_script
from langfield.viewer.page_video import PageVideo, VideoNews, fitting_size
from langfield.viewer.panel_actions import Actions
from langfield.viewer.run_photos import RunPhotos, Thumbnail
from langfield.viewer.run_scene import RunScene
from langfield.viewer.saving import Saved
from langfield.viewer.side_by_side import divided, photo_seen_by
from langfield.viewer.state import Keyframe, ViewerState

KEYFRAMES = (Keyframe((1.0, 0.0, 0.0, 0.0), (0.0, 0.0, 0.0), 0.9), Keyframe((1.0, 0.0, 0.0, 0.0), (0.5, 0.0, 0.0), 0.9))


@pytest.fixture(scope="module")
def field() -> Session:
    session = wall_session()
    session.query(["thing"])
    return session


def standing_at(scene: RunScene, number: int, size: tuple[int, int] = (320, 240)) -> PageCamera:
    """A page's camera where a photo was taken, with its field of view."""
    view = scene.session.views[number]
    fov = 2 * np.arctan(view.camera.height_px / (2 * view.camera.fy_px))
    return PageCamera(scene.photo_pose(view), float(fov), *size)


# -- names under the mouse ------------------------------------------------------------------------------------------


def test_of_things_that_share_a_pixel_the_smallest_has_it():
    masks = np.zeros((3, 2, 4), dtype=bool)
    masks[0] = True
    masks[1, 0, :2] = True
    masks[2, 0, 1:] = True  # larger than the second one
    np.testing.assert_array_equal(numbers_of_masks(masks), [[2, 2, 3, 3], [1, 1, 1, 1]])


def test_the_page_reads_the_names_that_were_written():
    numbers = np.array([[0, 0, 2], [2, 1, 1]])
    written = NamesInView(numbers, ("", 'a "quoted" <mug>', "bear")).as_html()
    (told,) = re.findall(r'data-langfield-names="([^"]*)"', written)
    assert "<mug>" not in written
    document = json.loads(html.unescape(told))
    runs_of = np.array(document["runs"]).reshape(-1, 2)
    read = np.repeat(runs_of[:, 0], runs_of[:, 1]).reshape(document["height"], document["width"])
    np.testing.assert_array_equal(read, numbers)
    assert document["names"][1] == 'a "quoted" <mug>'


def test_names_are_where_things_are(field: Session):
    camera = camera_at(0.8, 0.4, 320, 240).moved(WORLD_FROM_SCENE)  # before the thing
    objects = field.objects()
    named = names_in_view(field, camera, objects)
    assert max(named.number.shape) == 160
    in_middle = int(named.number[60, 80])
    assert in_middle > 0
    (mask,) = field.group_masks(camera.fit_within(160), [objects[in_middle - 1].shape.group])
    assert mask[60, 80]
    assert named.number[2, 2] == 0
    assert named.names[0] == ""


# -- photos ---------------------------------------------------------------------------------------------------------


def photos_in_colours(session: Session):
    """Each photo all of one grey, by its number."""
    return lambda name, size: np.full((size[1], size[0], 3), 40 + 30 * int(name[0]), dtype=np.uint8)


def test_small_pictures_are_of_the_photos_or_of_the_run_where_they_are_gone(field: Session):
    there = RunPhotos(field, photos_in_colours)
    assert there.are_there
    small = there.thumbnails(["2.jpg", "none.jpg", "0.jpg"])
    assert [one.name for one in small] == ["2.jpg", "0.jpg"]
    read = np.asarray(Image.open(io.BytesIO(small[0].jpeg)))
    assert abs(read.mean() - 100) < 2

    def moved(session: Session):
        raise DataError("is not there any more")

    for gone in (RunPhotos(field, moved), RunPhotos(field, None)):
        assert not gone.are_there
        assert gone.photo(field.views[0], 64) is None
        (drawn,) = gone.thumbnails(["2.jpg"])
        picture = field.picture(field.views[2].camera.fit_within(160))[0]
        read = np.asarray(Image.open(io.BytesIO(drawn.jpeg)))
        assert read.shape == picture.shape
        assert np.abs(read.astype(float) - picture).mean() < 4


def test_a_photo_that_cannot_be_read_is_drawn(field: Session):
    def broken(session: Session):
        def read(name: str, size: tuple[int, int]):
            raise DataError("is torn")

        return read

    assert len(RunPhotos(field, broken).thumbnails(["1.jpg"])) == 1
    scene = RunScene("field", field, 1000, broken)
    with pytest.raises(DataError, match="is torn"):  # and who asks for the photo itself is told why it is not shown
        PagePictures(scene, runs(field=field)).draw(ViewerState(beside="photo"), None, standing_at(scene, 1), 64)


@pytest.mark.parametrize(
    ("name", "caption"), [("images/12.jpg", "12"), ("images/frame_00012.jpg", "…_00012"), ("1234567.png", "1234567")]
)
def test_long_names_keep_the_end_by_which_they_differ(name: str, caption: str):
    assert Thumbnail(name, b"").caption == caption


# -- divided pictures -----------------------------------------------------------------------------------------------


def test_a_line_divides_two_pictures():
    left, right = np.full((4, 100, 3), 10, dtype=np.uint8), np.full((4, 100, 3), 90, dtype=np.uint8)
    for divider, column in ((0.0, 0), (0.3, 30), (1.0, 99)):
        out = divided(left, right, divider)
        assert (out[:, column] == 255).all()
        assert (out[:, : max(0, column - 1)] == 10).all()
        assert (out[:, column + 1 :] == 90).all()


def test_a_photo_is_seen_by_the_camera_that_took_it_as_it_is():
    camera = Camera(np.eye(4), 64, 48, 60.0, 60.0, 32.0, 24.0)
    photo = np.random.default_rng(0).integers(0, 255, (48, 64, 3)).astype(np.uint8)
    np.testing.assert_array_equal(photo_seen_by(photo, camera, camera), photo)


def test_a_turned_camera_sees_the_photo_shifted_and_nothing_beyond_it():
    photo_camera = Camera(np.eye(4), 64, 48, 60.0, 60.0, 32.0, 24.0)
    photo = np.zeros((48, 64, 3), dtype=np.uint8)
    photo[:, 32:] = 200
    angle = np.arctan(16 / 60)  # the photo's right quarter comes to the middle
    turned = np.eye(4)
    turned[:3, :3] = [[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]]
    seen = photo_seen_by(photo, photo_camera, Camera(turned, 64, 48, 60.0, 60.0, 32.0, 24.0))
    assert (seen[24, 30] == 200).all()
    assert (seen[24, 60] == look.BACKGROUND).all()
    assert (seen[24, 5] == 0).all()


def test_the_photo_lies_left_of_the_line_where_it_was_taken_only(field: Session):
    opened = runs(field=field)
    scene = RunScene("field", field, 1000, photos_in_colours)
    pictures = PagePictures(scene, opened)
    state, camera = ViewerState(beside="photo", divider=0.5), standing_at(scene, 1)
    assert pictures.is_divided(state, camera)
    drawn = pictures.draw(state, None, camera, 160).numpy()
    height, width = drawn.shape[:2]
    assert np.abs(drawn[height // 2, width // 4].astype(int) - 70).max() <= 1  # the second photo's grey
    plain = look.picture(field, camera.camera(scene.page_from_world, 160), look.Look(ViewerState())).numpy()
    assert np.abs(drawn[height // 2, 3 * width // 4].astype(int) - plain[60, 120]).max() <= 1
    moved = pictures.with_moved_line(ViewerState(beside="photo", divider=0.9), None, camera)
    assert moved is not None
    assert np.abs(moved.numpy()[height // 2, 3 * width // 4].astype(int) - 70).max() <= 1
    assert pictures.with_moved_line(ViewerState(beside="photo", layer="Depth"), None, camera) is None
    away = page_camera([1, 0, 0, 0], camera.pose[:3, 3] + 0.2, 0.9, 320, 240)
    assert not pictures.is_divided(state, away)
    assert scene.nearest_photo(camera).name == "1.jpg"


def test_halves_are_of_the_camera_that_they_were_drawn_of_only(field: Session):
    scene = RunScene("field", field, 1000, photos_in_colours)
    pictures, state = PagePictures(scene, runs(field=field)), ViewerState(beside="photo")
    camera = standing_at(scene, 1)
    pictures.draw(state, None, camera, 64)
    assert pictures.with_moved_line(state, None, camera) is not None
    assert pictures.with_moved_line(state, None, standing_at(scene, 2)) is None
    kept = weakref.ref(camera)
    del camera
    assert kept() is not None  # else another camera may come to lie at its address


def test_another_run_lies_right_of_the_line_once_it_can_answer(field: Session):
    other = wall_session()
    opened = runs(field=field, other=other)
    scene = opened.scene("field")
    pictures = PagePictures(scene, opened)
    state = ViewerState(phrases=("thing",), layer="Relevancy", beside="run:other")
    camera = standing_at(scene, 1)
    told: list[str] = []
    drawn = pictures.draw(state, None, camera, 160).numpy()
    of_world = camera.camera(scene.page_from_world, 160)
    alone = look.picture(field, of_world, look.Look(state)).numpy()  # the other run is not ready: not shown
    np.testing.assert_array_equal(drawn, alone)
    assert pictures.waits_for_other_run(state)
    assert not pictures.get_other_run_ready(state, told.append)
    deadline = time.monotonic() + 60
    while not opened.is_ready("other") and time.monotonic() < deadline:
        time.sleep(0.05)
    assert pictures.get_other_run_ready(state, told.append)
    assert not pictures.get_other_run_ready(state, told.append)
    assert not pictures.waits_for_other_run(state)
    assert told == []
    drawn = pictures.draw(state, None, camera, 160).numpy()
    wanted = look.picture(other, of_world, look.Look(state)).numpy()
    np.testing.assert_array_equal(drawn[:, 100:], wanted[:, 100:])


def test_another_run_that_cannot_be_asked_is_shown_without_answers(field: Session, monkeypatch):
    other = wall_session()

    def fails(*_: object, **__: object) -> None:
        raise DataError("the encoder has moved")

    monkeypatch.setattr(other, "query", fails)
    opened = runs(field=field, other=other)
    scene = opened.scene("field")
    pictures = PagePictures(scene, opened)
    state, camera = ViewerState(phrases=("thing",), layer="Relevancy", beside="run:other"), standing_at(scene, 1)
    told: list[str] = []
    assert not pictures.get_other_run_ready(state, told.append)
    deadline = time.monotonic() + 60
    while not told and time.monotonic() < deadline:
        time.sleep(0.05)
    assert told == ["the encoder has moved"]
    assert pictures.get_other_run_ready(state, told.append)
    drawn = pictures.draw(state, None, camera, 160).numpy()
    of_world = camera.camera(scene.page_from_world, 160)
    np.testing.assert_array_equal(drawn[:, 100:], other.picture(of_world)[0][:, 100:])
    assert not pictures.get_other_run_ready(state, told.append)  # and it is not tried for ever


def test_runs_of_other_scenes_are_not_compared(field: Session):
    other = wall_session()
    object.__setattr__(other.info, "scene_fingerprint", "another")
    opened = runs(field=field, other=other)
    opened.has_answered("other")
    scene = opened.scene("field")
    pictures = PagePictures(scene, opened)
    with pytest.raises(UsageError, match="of another scene"):
        pictures.draw(ViewerState(beside="run:other"), None, standing_at(scene, 1), 64)
    with pytest.raises(UsageError, match="no run gone"):  # a browser kept it from another time
        pictures.draw(ViewerState(beside="run:gone"), None, standing_at(scene, 1), 64)


# -- keys and help --------------------------------------------------------------------------------------------------


def test_choices_go_round():
    assert next_of(("a", "b"), "a") == "b"
    assert next_of(("a", "b"), "b") == "a"
    assert next_of(("a", "b"), "c") == "a"


def test_keys_of_commands_are_not_those_that_move_the_camera():
    keys = {key.lower() for key, _ in COMMAND_KEYS}
    assert not keys & set("wasdqe?/")
    assert len(keys) == len(COMMAND_KEYS)
    script = page_script(COMMAND_KEYS)
    assert "__HELP__" not in script
    assert all(json.dumps(does) in script for _, does in COMMAND_KEYS)
    assert "</" not in page_script([("x", "</script>")])


def test_without_phrases_nothing_is_hidden_by_a_key():
    chosen: list[tuple[str, object]] = []
    does: dict[str, Callable[[object], None]] = {}

    def add_command(label: str, hotkey: str) -> object:
        return SimpleNamespace(on_trigger=lambda action: does.update({hotkey: action}))

    shown = [ViewerState()]
    actions = Mock(Actions, choose=lambda name, value: chosen.append((name, value)))
    for other in ("measure", "keyframe", "play", "home"):
        setattr(actions, other, lambda: None)
    add_commands(SimpleNamespace(add_command=add_command), actions, ("Picture",), lambda: shown[0])
    does[HIDE.key](None)
    assert chosen == []
    shown[0] = ViewerState(phrases=("thing",))
    does[HIDE.key](None)
    assert chosen == [("hide", "Scene")]


# -- videos ---------------------------------------------------------------------------------------------------------


class Asker:
    """Someone who asks for videos."""

    def __init__(self, turn: "threading.Lock | None" = None) -> None:
        self.got: list[Saved] = []
        self.told: list[str] = []
        self.video = PageVideo(turn or threading.Lock(), self.got.append, self.told.append)

    def done(self) -> None:
        self.video.join(60)
        assert not self.video.is_alive()
        assert self.video.news == VideoNews()


def test_a_video_shows_the_path_as_pictures_show_it(field: Session):
    scene, asker = RunScene("field", field, 1000), Asker()
    state = ViewerState(keyframes=KEYFRAMES, layer="Depth")
    asker.video.start(scene, state, None, (64, 48))
    asker.done()
    (saved,) = asker.got
    assert saved.name == "langfield.webp"
    with Image.open(io.BytesIO(saved.content)) as video:
        assert video.n_frames == 49
        assert video.size == (64, 48)
        video.seek(48)
        last = np.asarray(video.convert("RGB")).astype(float)
    camera = page_camera([1, 0, 0, 0], [0.5, 0, 0], 0.9, 64, 48)
    assert camera is not None
    wanted = look.picture(field, camera.camera(scene.page_from_world, 64), look.Look(state)).numpy()
    assert np.abs(last - wanted).mean() < 6


def test_only_one_video_is_made_at_a_time_and_it_can_be_cancelled(field: Session, monkeypatch):
    turn, drawing, go_on = threading.Lock(), threading.Event(), threading.Event()

    def waits(*_: object) -> torch.Tensor:
        drawing.set()
        assert go_on.wait(30)
        return torch.zeros(48, 64, 3, dtype=torch.uint8)

    monkeypatch.setattr(look, "picture", waits)
    one, other, scene = Asker(turn), Asker(turn), RunScene("field", field, 1000)
    one.video.start(scene, ViewerState(keyframes=KEYFRAMES), None, (64, 48))
    assert drawing.wait(30)
    assert one.video.news.total == 49
    for asker in (one, other):
        with pytest.raises(UsageError, match="another video is being made"):
            asker.video.start(scene, ViewerState(keyframes=KEYFRAMES), None, (64, 48))
    one.video.cancel()
    go_on.set()
    one.done()
    assert (one.got, one.told) == ([], [])
    other.video.start(scene, ViewerState(keyframes=KEYFRAMES[:1]), None, (64, 48))
    other.done()
    assert len(other.got) == 1


def test_videos_are_not_endless(field: Session, monkeypatch):
    asker, scene = Asker(), RunScene("field", field, 1000)
    with pytest.raises(UsageError, match="No keyframes yet"):
        asker.video.start(scene, ViewerState(), None, (64, 48))
    with pytest.raises(UsageError, match=r"would have 1489 pictures, at most 1440"):
        asker.video.start(scene, ViewerState(keyframes=KEYFRAMES * 16), None, (64, 48))
    monkeypatch.setattr(page_video, "MAX_BYTES", 2000)
    asker.video.start(scene, ViewerState(keyframes=KEYFRAMES), None, (64, 48))
    asker.done()
    assert asker.got == []
    assert "clear some keyframes" in asker.told[0]
    assert fitting_size((2560, 1440), 1280) == (1280, 720)
    assert fitting_size((320, 240), 1280) == (320, 240)


def test_a_video_that_fails_says_so_and_lets_others_have_their_turn(field: Session, monkeypatch):
    def fails(*_: object) -> None:
        raise ValueError("a bug")

    monkeypatch.setattr(look, "picture", fails)
    asker, scene = Asker(), RunScene("field", field, 1000)
    for _ in range(2):
        asker.video.start(scene, ViewerState(keyframes=KEYFRAMES), None, (64, 48))
        asker.done()
    assert asker.told == ["The video went wrong: see what langfield view printed."] * 2


def test_a_video_whose_things_cannot_be_had_lets_others_have_their_turn(monkeypatch):
    def fails(*_: object, **__: object) -> None:
        raise DataError("the groups are torn")

    session = wall_session()
    monkeypatch.setattr(session, "objects", fails)
    asker, scene = Asker(), RunScene("field", session, 1000)
    for _ in range(2):
        asker.video.start(scene, ViewerState(keyframes=KEYFRAMES, layer="Objects"), None, (64, 48))
        asker.done()
    assert asker.told == ["the groups are torn"] * 2


def test_no_video_is_made_for_a_browser_that_has_left(field: Session, monkeypatch):
    drawing, go_on = threading.Event(), threading.Event()
    drawn: list[int] = []

    def waits(*_: object) -> torch.Tensor:
        drawn.append(1)
        drawing.set()
        assert go_on.wait(30)
        return torch.zeros(48, 64, 3, dtype=torch.uint8)

    monkeypatch.setattr(look, "picture", waits)
    asker, scene = Asker(), RunScene("field", field, 1000)
    asker.video.start(scene, ViewerState(keyframes=KEYFRAMES), None, (64, 48))
    assert drawing.wait(30)
    asker.video.close()
    go_on.set()
    asker.done()
    asker.video.start(scene, ViewerState(keyframes=KEYFRAMES), None, (64, 48))
    asker.done()
    assert (asker.got, asker.told, len(drawn)) == ([], [], 1)


def test_what_waits_when_the_browser_leaves_is_not_done(field: Session, monkeypatch):
    done: list[str] = []

    class Events:
        """A page is closed while more waits."""

        def take(self, timeout: float) -> Iterator[Callable[[], None]]:
            yield lambda: done.append("first")
            yield lambda: page.close()
            yield lambda: done.append("after")

        def wake(self) -> None:
            pass

    monkeypatch.setattr(client_page, "PageEvents", Events)
    monkeypatch.setattr(ClientPage, "_begin", lambda _: None)
    client = Mock(ClientHandle, client_id=0, camera=Mock(), scene=Mock())
    page = ClientPage(client, runs(field=field), ())
    page.start()
    page.join(30)
    assert not page.is_alive()
    assert done == ["first"]
