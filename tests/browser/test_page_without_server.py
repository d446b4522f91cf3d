"""A page without a server in a real browser: opened from the disk, by Debian's chromium with OpenGL in software.

LANGFIELD_SCREENSHOTS names a folder for pictures of each state, to be looked at.
"""

import io
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

pytest.importorskip("playwright.sync_api", reason="no playwright: pip install 'langfield[dev]'")

from playwright.sync_api import sync_playwright
from tests.query import fake_session
from tests.viewer.worlds import splat_session

from langfield.core.splats import Splats
from langfield.core.transforms import Similarity
from langfield.export.page.write import write_page
from langfield.fields.gaussians import GaussianConfig
from langfield.models.config import ModelContext
from langfield.models.gaussians.splat import Splat, SplatConfig
from langfield.query.frames import turbo_colours
from langfield.query.session import Session
from langfield.viewer.look import colours_over

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium: apt-get install chromium"),
    pytest.mark.timeout(300),
]
PANEL = 272  # CSS pixels, of windows as low as this one
WIDTH, HEIGHT = 480, 360  # of the picture
FLAGS = [
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
]
NASTY = """</script><script>alert(1)</script><img src=x onerror="alert(2)">"""


@pytest.fixture(scope="module")
def chromium():
    with sync_playwright() as engine:
        browser = engine.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def session() -> Session:
    return splat_session()


@pytest.fixture(scope="module")
def page_file(session: Session, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "page.html"
    write_page(session, path, ["thing", "wall", "nothing", NASTY], name=f"kitchen {NASTY}")
    return path


class Tab:
    """A tab that shows a page of the disk, and what it complained of and asked for."""

    def __init__(self, chromium, path: Path, script: str = "", **options) -> None:
        """Args: script: that runs before the page's own. options: of the browser's context."""
        size = {"width": WIDTH + PANEL, "height": HEIGHT}
        given = {"viewport": size, "reduced_motion": "reduce", "color_scheme": "dark"} | options
        self.context = chromium.new_context(**given)
        self.context.set_offline(True)
        self.context.set_default_timeout(60_000)
        self.page = self.context.new_page()
        self.errors: list[str] = []
        self.asked_for: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda message: self.errors.append(message.text))
        self.page.on("dialog", lambda dialog: self.errors.append(dialog.message))
        self.page.on("request", lambda request: self.asked_for.append(request.url))
        self.page.add_init_script(script)
        self.page.goto(path.as_uri())

    def chip(self, phrase: str):
        return self.page.locator("#chips button").filter(has_text=phrase).first

    def box(self) -> str | None:
        """Where the first box is drawn in the picture, once that is drawn sharply."""
        self.page.wait_for_timeout(50)  # events of the mouse come a little later
        self.page.locator("html[data-state=ready]").wait_for()
        return self.page.locator("#boxes path").first.get_attribute("d")

    def settled(self, name: str) -> np.ndarray:
        """The picture without what lies over it, once it is drawn sharply."""
        self.page.locator("html[data-state=ready]").wait_for()
        if folder := os.environ.get("LANGFIELD_SCREENSHOTS"):
            Path(folder).mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=Path(folder) / f"page {name}.png")
        over = "for (const id of ['boxes', 'tools', 'scale']) document.getElementById(id).style.opacity = %d"
        self.page.evaluate("document.getElementById('picture').style.outline = 'none'")
        self.page.evaluate(over % 0)
        data = self.page.locator("#picture").screenshot(timeout=60_000)
        self.page.evaluate(over % 1)
        return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(np.int64)


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union."""
    return float((one & other).sum() / (one | other).sum())


def test_a_phrase_colours_the_thing_and_hides_the_scene(chromium, session: Session, page_file: Path):
    tab = Tab(chromium, page_file)
    page = tab.page
    plain = tab.settled("opened")
    camera = session.views[0].camera.resized(WIDTH, HEIGHT)
    mask = session.ask_view(camera, ["thing"]).masks[0]

    tab.chip("thing").click()
    found = tab.settled("found")
    colourful = np.ptp(found, axis=2) > 40
    assert overlap(colourful, mask) > 0.7
    outside = ~mask & (plain.min(axis=2) > 60) & (np.ptp(plain, axis=2) < 10)
    shift = np.abs(found - plain)[outside & ~colourful]
    assert np.median(shift) == pytest.approx(0.4 * np.median(plain[outside]), abs=3)  # dimmed
    assert page.locator("#answers").get_by_text("found · presence").count() == 1
    assert page.locator("#scale-title").text_content() == "Relevancy of thing"

    page.locator("#hide-Scene").check()
    hidden = tab.settled("scene hidden")
    assert overlap(np.abs(hidden - 20).max(axis=2) > 25, mask) > 0.7
    page.keyboard.press("h")
    assert page.locator("#hide-Found").is_checked()
    without = tab.settled("found hidden")
    assert np.abs(without[mask] - 20).mean() < np.abs(found[mask] - 20).mean() / 3

    page.keyboard.press("h")
    page.locator("#layer-Relevancy").check()
    covered, refined = plain.min(axis=2) > 100, session.ask_view(camera, ["thing"]).refined[0]
    for threshold in ("0.3", "0"):
        page.locator("#threshold").fill(threshold)
        drawn = tab.settled(f"relevancy from {threshold}")
        heat, inside = turbo_colours(torch.from_numpy(refined)), torch.from_numpy(refined >= float(threshold))
        expected = colours_over(torch.from_numpy(plain.astype(np.uint8)), heat, inside, 0.75).numpy()
        assert np.abs(drawn - expected.astype(np.int64))[covered].mean() < 8
    assert tab.errors == []
    assert all(url.startswith(("file:", "blob:")) for url in tab.asked_for)
    tab.context.close()


def test_hits_keys_and_photos_move_the_camera(chromium, page_file: Path):
    tab = Tab(chromium, page_file)
    page = tab.page
    start = tab.settled("start")
    page.keyboard.press("1")
    assert tab.chip("thing").get_attribute("aria-pressed") == "true"
    before = tab.settled("before the flight")
    page.locator(".hit").first.click()
    after = tab.settled("at the hit")
    assert page.locator("#boxes span").text_content() == "thing"
    label = page.locator("#boxes span").bounding_box()
    assert abs(label["x"] + label["width"] / 2 - WIDTH / 2) < 60
    assert np.abs(after - before).mean() > 5
    middle = after[HEIGHT // 2 - 15 : HEIGHT // 2 + 15, WIDTH // 2 - 15 : WIDTH // 2 + 15]
    assert np.ptp(middle, axis=2).mean() > 40  # the thing is in the middle
    assert page.locator("#answers").get_by_text("Best seen in").count() == 1

    places = [tab.box()]
    for keys in (["ArrowRight"] * 3, ["Shift+ArrowUp"] * 2, ["-"] * 3, ["."]):
        for key in keys:
            page.keyboard.press(key)
        places.append(tab.box())
    assert page.locator("#photo").input_value() != ""
    page.mouse.move(200, 200)
    page.mouse.down()
    page.mouse.move(300, 220, steps=4)
    page.mouse.up()
    assert page.locator("#photo").input_value() == ""
    places.append(tab.box())
    page.mouse.wheel(0, -300)
    places.append(tab.box())
    page.mouse.dblclick(180, 150)  # turn about that place
    places.append(tab.box())
    assert len(set(places)) == len(places)
    assert np.abs(tab.settled("moved") - after).mean() > 5
    page.keyboard.press("1")
    page.keyboard.press("0")
    assert np.abs(tab.settled("home") - start).mean() < 0.5
    assert page.locator("#boxes path, #boxes span").count() == 0

    page.keyboard.press("?")
    assert page.locator("#help-text").is_visible()
    tab.settled("help")
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    page.keyboard.type("wal")
    assert page.locator("#chips button:visible").count() == 1
    page.keyboard.press("Enter")
    assert tab.chip("wall").get_attribute("aria-pressed") == "true"
    page.locator("#filter").fill("spaceship")
    assert "langfield view" in (page.locator("#filter-note").text_content() or "")
    tab.settled("not in the page")
    assert tab.errors == []
    tab.context.close()


def test_a_flight_ends_where_it_is_to_and_a_lost_graphics_card_comes_back(chromium, page_file: Path):
    places = []
    for motion in ("reduce", "no-preference"):
        tab = Tab(chromium, page_file, reduced_motion=motion)
        tab.settled("before")
        tab.chip("thing").click()
        assert tab.page.locator("#photo").input_value() != ""
        tab.page.locator(".hit").first.click()
        tab.page.locator("#boxes span").wait_for()
        tab.page.wait_for_timeout(0 if motion == "reduce" else 900)  # as long as a flight takes
        places.append(tab.box())
        assert tab.page.locator("#photo").input_value() == ""
        seen = tab.settled(f"flown {motion}")
        assert tab.errors == []
    assert places[0] == places[1]
    tab.page.evaluate(
        """async () => {
          const extension = document.getElementById("picture").getContext("webgl2").getExtension("WEBGL_lose_context");
          extension.loseContext();
          await new Promise((done) => setTimeout(done, 300));
          extension.restoreContext();
          await new Promise((done) => setTimeout(done, 300));
        }"""
    )
    tab.page.keyboard.press("b")
    tab.page.keyboard.press("b")
    assert np.abs(tab.settled("graphics card came back") - seen).mean() < 1


def test_texts_are_only_texts_and_a_phone_has_room(chromium, page_file: Path):
    phone = {"viewport": {"width": 390, "height": 780}, "has_touch": True, "is_mobile": True, "color_scheme": "light"}
    tab = Tab(chromium, page_file, **phone)
    page = tab.page
    tab.chip("<img").tap()
    tab.chip("thing").tap()
    assert page.locator("h1").text_content() == f"kitchen {NASTY}"
    assert page.locator("#answers strong").first.text_content() == NASTY
    assert page.locator("img").count() == 0
    tab.settled("phone")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.locator("#picture").bounding_box()["height"] > 350
    assert tab.chip("thing").bounding_box()["height"] >= 32
    assert tab.errors == []
    tab.context.close()


def cloud(degree: int) -> Splats:
    """Gaussians of all shapes before the first photo's camera, scene frame, whose colours change with the direction."""
    rng, count = np.random.default_rng(5), 1500
    harmonics = rng.normal(0, 0.25, (count, (degree + 1) ** 2, 3)).astype(np.float32)
    harmonics[:, 0] = rng.uniform(-1.7, 1.7, (count, 3))
    return Splats(
        means=np.stack(
            [rng.uniform(-1.5, 1.5, count), rng.uniform(-1.2, 1.2, count), rng.uniform(1, 5, count)], axis=1
        ),
        rotations=rng.normal(0, 1, (count, 4)).astype(np.float32),
        log_scales=np.log(rng.uniform(0.005, 0.15, (count, 3))).astype(np.float32),
        opacity_logits=rng.uniform(-4, 5, count).astype(np.float32),
        harmonics=harmonics,
    )


@pytest.mark.parametrize(("degree", "script"), [(0, ""), (3, "delete window.Worker")])
def test_the_picture_is_what_render_gives(chromium, degree: int, script: str, tmp_path: Path):
    scene = cloud(degree)
    model = Splat(SplatConfig(GaussianConfig(capacity=len(scene), sh_degree=degree)), ModelContext(photos=4))
    model.gaussians.load_splats(scene, Similarity.identity())
    session = fake_session.session(model)
    assert not session.has_language
    path = tmp_path / "page.html"
    write_page(session, path, [], name="cloud")
    tab = Tab(chromium, path, script)
    drawn = tab.settled(f"degree {degree}")
    expected, _ = session.picture(session.views[0].camera.resized(WIDTH, HEIGHT))
    nothing = expected.max(axis=2) == 0
    error = (drawn - expected.astype(np.int64))[~nothing]
    assert 10 * np.log10(255**2 / np.mean(error.astype(np.float64) ** 2)) > 35
    assert tab.page.locator("#filter-note").text_content().startswith("This page has no phrases")
    assert tab.errors == []
    tab.context.close()


def test_a_browser_that_cannot_draw_says_so(chromium, page_file: Path):
    tab = Tab(chromium, page_file, "HTMLCanvasElement.prototype.getContext = () => null")
    tab.page.locator("#status.failed").wait_for()
    assert tab.page.locator("#status").text_content() == (
        "This page cannot be shown: this browser cannot draw the scene: it has no WebGL 2"
    )
    assert tab.errors == []
    tab.context.close()
