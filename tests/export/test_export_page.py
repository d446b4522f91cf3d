"""A page without a server: what it holds is what the session knows, within its digits; and nothing in it can run or
load but its own script."""

import base64
import hashlib
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from tests.export.page_reader import PageFile, policy_of, read_page
from tests.viewer.worlds import splat_session, splats_of_wall, wall_session

from langfield.core.errors import UsageError
from langfield.core.splats import SH_C0, Splats
from langfield.core.transforms import Similarity
from langfield.export.page import write
from langfield.export.page.document import SCRIPTS, json_in_html
from langfield.export.page.elements import elements_of_splats, elements_of_surface
from langfield.export.page.packing import Packed, packed, quantised, symmetric
from langfield.query.page_frame import page_frame
from langfield.query.session import Session

NASTY = """</script><script>alert(1)</script><img src=x onerror="alert(2)">'&amp;"""


def written(session: Session, folder: Path, phrases: list[str], **options) -> tuple[PageFile, write.PageReport]:
    path = folder / "page.html"
    report = write.write_page(session, path, phrases, name=options.pop("name", "wall"), **options)
    assert report.size == path.stat().st_size
    return read_page(path), report


@pytest.fixture(scope="module")
def session() -> Session:
    return splat_session()


@pytest.fixture(scope="module")
def page(session: Session, tmp_path_factory: pytest.TempPathFactory) -> PageFile:
    return written(session, tmp_path_factory.mktemp("page"), ["thing", "nothing", "wall"])[0]


def random_splats(count: int, degree: int = 1) -> Splats:
    rng = np.random.default_rng(3)
    return Splats(
        means=rng.normal(0, 2, (count, 3)),
        rotations=rng.normal(0, 1, (count, 4)).astype(np.float32),
        log_scales=rng.uniform(-6, 0, (count, 3)).astype(np.float32),
        opacity_logits=rng.uniform(-3, 3, count).astype(np.float32),
        harmonics=rng.normal(0, 0.5, (count, (degree + 1) ** 2, 3)).astype(np.float32),
    )


def test_the_gaussians_are_read_back_within_their_digits(session: Session, tmp_path: Path, monkeypatch):
    splats = random_splats(500)
    monkeypatch.setattr(Session, "splats", lambda self: splats)
    page, report = written(session, tmp_path, [])
    frame = page_frame(session)
    assert (report.count, report.total, report.degree, report.run_degree) == (500, 500, 1, 1)
    np.testing.assert_allclose(page.arrays["positions"], frame.points(splats.means), atol=1e-6)
    sizes = page.arrays["logScales"] - (splats.log_scales + np.log(frame.scale))
    assert np.abs(sizes).max() < 6 / 2**16
    own = Rotation.from_quat(np.roll(splats.rotations, -1, axis=1))
    read = Rotation.from_quat(np.roll(page.arrays["rotations"], -1, axis=1))
    turned = Rotation.from_matrix(frame.rotation) * own
    assert (read.inv() * turned).magnitude().max() < 0.02  # radians
    opacities = 1 / (1 + np.exp(-splats.opacity_logits))
    assert np.abs(page.arrays["opacities"] - opacities).max() <= 0.5 / 255 + 1e-6
    base = 0.5 + SH_C0 * splats.harmonics[:, 0]
    low, high = (page.contents["arrays"][4][end] for end in ("low", "high"))
    assert page.contents["arrays"][4]["name"] == "colours"
    assert np.abs(page.arrays["colours"] - base.clip(low, high)).max() <= 0.5 * (high - low) / 255 + 1e-6
    most = np.abs(splats.harmonics[:, 1:]).max()
    assert np.abs(page.arrays["harmonics"] - splats.harmonics[:, 1:]).max() <= most / 127
    turn = np.array(page.contents["worldFromPageTurn"]).reshape(3, 3)
    np.testing.assert_allclose(turn @ frame.rotation, np.eye(3), atol=1e-9)


def test_relevancy_and_hits_are_the_answers(session: Session, page: PageFile):
    phrases = ["thing", "nothing", "wall"]
    expected = session.element_relevancy(phrases)
    assert np.abs(page.arrays["relevancy"] - expected).max() <= 1 / 255
    for row, phrase in zip(page.stored["hits"], phrases, strict=True):
        members = session.elements(phrase)
        assert row.max() == len(members)
        for rank, mask in enumerate(members, start=1):
            np.testing.assert_array_equal(row == rank, mask)
    assert page.stored["hits"][0].any()
    assert not page.stored["hits"][1].any()


def test_answers_boxes_and_photos_are_in_the_pages_frame(session: Session, page: PageFile):
    frame, answers = page_frame(session), session.query(["thing", "nothing", "wall"])
    described = page.contents["answers"]
    assert [(a["phrase"], a["present"]) for a in described] == [(a.phrase, a.present) for a in answers]
    hit, given = answers[0].hits[0], described[0]["hits"][0]
    assert given["score"] == pytest.approx(hit.score, abs=1e-4)
    np.testing.assert_allclose(given["centre"], frame.points(np.array(hit.upright_box.centre)), atol=1e-5)
    np.testing.assert_allclose(np.array(given["axes"]).reshape(3, 3)[2], [0, 0, 1], atol=1e-5)  # upright
    np.testing.assert_allclose(given["edges"], np.array(hit.upright_box.size) * frame.scale, atol=1e-5)
    assert given["position"] == answers[0].position_text
    assert given["size"].count("\N{MULTIPLICATION SIGN}") == 2
    photos = page.contents["photos"]
    assert photos[page.contents["first"]]["name"] == session.train_views()[0].name
    assert [photos[number]["name"] for number in given["photos"]] == list(hit.views[:2])
    camera = next(view.camera for view in session.views if view.name == photos[0]["name"])
    pose = frame.pose(camera.world_from_camera)
    np.testing.assert_allclose(np.array(photos[0]["pose"]).reshape(3, 4), pose[:3], atol=1e-5)
    assert photos[0]["tangents"] == pytest.approx([64 / (2 * 57.6), 48 / (2 * 57.6)], abs=1e-5)


def test_no_more_gaussians_than_asked_for_and_the_same_file_again(session: Session, tmp_path: Path):
    page, report = written(session, tmp_path, ["thing"], most_elements=100)
    assert (report.count, report.total) == (100, 1600)
    assert page.contents["count"] == 100
    assert page.stored["relevancy"].shape == page.stored["hits"].shape == (1, 100)
    again, _ = written(session, tmp_path, ["thing"], most_elements=100)
    assert again.text == page.text


def test_a_field_is_points_of_its_surface(tmp_path: Path):
    session = wall_session()
    page, report = written(session, tmp_path, ["thing"], most_elements=500)
    xyz, rgb = session.surface()
    assert page.contents["kind"] == report.kind == "points"
    assert report.total == len(xyz)
    assert 250 <= report.count <= 500
    numbers = np.arange(0, len(xyz), -(-len(xyz) // 500))
    np.testing.assert_allclose(page.arrays["positions"], page_frame(session).points(xyz[numbers]), atol=1e-6)
    assert np.abs(page.arrays["colours"] - rgb[numbers] / 255).max() <= 1 / 255
    sizes = np.exp(page.arrays["logScales"])
    spacing = np.linalg.norm(page.arrays["positions"][:, None] - page.arrays["positions"], axis=-1)
    np.fill_diagonal(spacing, np.inf)
    nearest = np.median(spacing.min(axis=1))
    assert 0.4 * nearest < np.median(sizes) < 2 * nearest  # they touch


def test_a_run_with_masks_asks_for_the_names_of_its_things(session: Session, monkeypatch):
    grouped = wall_session()
    things = grouped.objects(["thing", "wall"])
    named = [replace(things[0], name=name) for name in ("thing", "", "wall", "thing")]
    monkeypatch.setattr(Session, "objects", lambda self, **options: named)
    assert write.default_phrases(grouped) == ["thing", "wall"]
    assert write.default_phrases(session) == []  # no groups


def test_without_phrases_there_is_the_scene_alone(session: Session, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(Session, "query", lambda *args, **options: pytest.fail("nothing was to be asked"))
    page, report = written(session, tmp_path, [])
    assert page.contents["answers"] == []
    assert report.answers == ()
    assert {"relevancy", "hits"}.isdisjoint(page.arrays)


def test_nothing_of_a_phrase_or_a_name_is_markup(session: Session, tmp_path: Path, page: PageFile):
    nasty, _ = written(session, tmp_path, ["thing", NASTY, "\udcff\u2028<!--"], name=NASTY)
    assert nasty.contents["name"] == NASTY
    assert nasty.contents["answers"][1]["phrase"] == NASTY
    assert nasty.blocks["title"].startswith(NASTY)
    assert nasty.tags == page.tags  # not one element more than in a page of plain words
    assert "alert(1)" in nasty.blocks["contents"]
    assert nasty.blocks["module"] == page.blocks["module"]
    assert not re.search("[<>&\u2028]", json_in_html({"a": NASTY + "\u2028"}))


def test_the_page_runs_its_own_script_and_loads_nothing(page: PageFile):
    policy = policy_of(page)
    assert policy["default-src"] == "'none'"
    for directive, block in (("script-src", "module"), ("style-src", "style")):
        digest = base64.b64encode(hashlib.sha256(page.blocks[block].encode()).digest()).decode()
        assert policy[directive] == f"'sha256-{digest}'"
    assert set(policy) == {"default-src", "script-src", "style-src", "worker-src", "base-uri", "form-action"}
    assert policy["worker-src"] == "blob:"
    for tag, attributes in page.tags:
        assert not {"src", "href", "action", "srcset", "style"} & set(attributes), tag
        assert not any(name.startswith("on") for name in attributes), tag
    own = page.text.replace(page.blocks["data"], "").replace('"http://www.w3.org/2000/svg"', "")  # a name, not a place
    assert not re.search(r"https?:|//[a-z]|url\(|@import|eval\(|innerHTML|insertAdjacent|document\.write|fetch\(", own)


def test_colours_from_other_sides_have_the_room_that_is_left():
    assert write.degree_that_fits(3, 1000, 5) == 3
    assert write.degree_that_fits(1, 1000, 5) == 1
    assert write.degree_that_fits(3, 300_000, 5) == 2  # 36 bytes, and 24 of degree 2, of 62 that there is room for
    assert write.degree_that_fits(3, 900_000, 5) == 0


def test_what_cannot_be_drawn_is_left_out():
    splats = random_splats(6)
    splats.means[0, 1] = np.nan
    splats.rotations[1] = 0
    splats.log_scales[2, 0] = np.inf
    splats.opacity_logits[3] = -9
    splats.harmonics[4, 1, 2] = np.nan
    assert elements_of_splats(splats, Similarity.identity(), 10).numbers.tolist() == [5]


def test_a_run_with_nothing_to_draw_and_too_many_phrases_are_refused(session: Session, tmp_path: Path, monkeypatch):
    phrases = [f"thing {number}" for number in range(write.MOST_PHRASES + 1)]
    with pytest.raises(UsageError, match="at most 64 phrases, got 65"):
        written(session, tmp_path, phrases)
    faint = replace(splats_of_wall(Similarity.identity()), opacity_logits=np.full(1600, -9, dtype=np.float32))
    monkeypatch.setattr(Session, "splats", lambda self: faint)
    with pytest.raises(UsageError, match="nothing that could be drawn"):
        written(session, tmp_path, [])
    assert list(tmp_path.iterdir()) == []


def test_few_points_have_a_size():
    elements = elements_of_surface(np.zeros((2, 3)), np.zeros((2, 3), dtype=np.uint8), Similarity.identity(), 10)
    assert np.isfinite(elements.log_scales).all()


def test_numbers_between_two_ends():
    values = np.array([-2.0, -1.0, 0.0, 0.25, 1.0, 2.0])
    eight = quantised(values, 8, -1.0, 1.0)
    assert eight.numbers.tolist() == [0, 0, 128, 159, 255, 255]
    assert symmetric(values).numbers[2] == 128
    entries, data = packed({"a": eight, "b": Packed(np.array([1, 2], dtype="<f4"))})
    assert [(entry["type"], entry["offset"]) for entry in entries] == [("u1", 0), ("f4", 8)]
    assert packed({"a": eight})[1] == packed({"a": eight})[1]
    assert "high" not in entries[1]
    assert len(data) < 100


def test_all_scripts_are_put_together():
    folder = Path(write.__file__).parent / "browser"
    assert {path.stem for path in folder.glob("*.js")} == set(SCRIPTS)
