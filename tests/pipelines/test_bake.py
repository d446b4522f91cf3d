"""A field whose answers are known is baked, saved, opened again, and answers alike."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.sparse import csr_matrix
from tests.data.scenes import BALLS
from tests.models.conversion.ball_field import PHRASES, BallField, Texts, cameras, session, to_surface

from langfield.core.errors import RunError, UsageError
from langfield.core.transforms import Similarity
from langfield.groups.base import Groups
from langfield.groups.scene_groups import SceneGroups
from langfield.models.gaussians.splat import Splat
from langfield.pipelines.agreement import compare
from langfield.pipelines.bake import bake
from langfield.pipelines.grouping import observe_surface
from langfield.query.presence import common_nouns
from langfield.query.session import Session
from langfield.runs.directory import load_run, save_groups, save_run
from langfield.runs.existence import has_run

# The world is the scene turned, moved and three times as large.
DESCRIBED = {"masks": "drawn", "made_by": "hand", "groups": len(BALLS), "photos": 12}
TURN = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
WORLD_FROM_SCENE = Similarity(TURN, np.array([10.0, -5, 2]), 3.0)


def field(folder: Path, model: BallField | None = None) -> tuple[Session, Path]:
    """The field's session, and a run directory of its size on disk."""
    made, run = session(model, WORLD_FROM_SCENE.inverse()), folder / "run"
    run.mkdir()
    save_run(run, made.info, {"model": {"weights": torch.zeros(1000)}})
    (run / "metrics.json").write_text('{"seconds": 3600.0}')
    return made, run


def ball_groups() -> SceneGroups:
    """Each ball as a group of the field's surface."""
    surface, _ = observe_surface(BallField(), cameras())
    of_ball = to_surface(surface.centres_scene).argmin(dim=1).numpy()
    count = len(BALLS)
    members = csr_matrix((of_ball == np.arange(count)[:, None]).astype(np.float32))
    seen = np.full(count, len(cameras()))
    groups = Groups(members, np.full(count, -1), seen, seen.copy(), np.ones(count, dtype=np.float32))
    embeddings = np.eye(count, len(PHRASES), dtype=np.float16)
    return SceneGroups(surface, groups, embeddings)


def bake_it(made: Session, run: Path, out: Path, elements: int = 4000, phrases=tuple(PHRASES)):
    """Bake the run, whose session is this one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("langfield.pipelines.bake.open_run", lambda opened, **_: {run: made}[opened])
        return bake(run, out, elements=elements, phrases=phrases, progress=lambda _: None, log=lambda _: None)


@pytest.fixture(scope="module")
def baked(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("baked")
    made, run = field(folder)
    return made, run, folder / "out", bake_it(made, run, folder / "out")


def test_it_answers_as_the_field_does(baked):
    made, _, out, report = baked
    agreement = report.agreement
    assert agreement.views == 1
    assert agreement.correlation_answered > 0.8  # every edge is sharp, and pixels are as large as elements
    assert agreement.difference < 0.05
    assert agreement.answered >= 3
    assert agreement.best_in_mask is not None
    assert agreement.mask_iou is not None
    assert agreement.best_in_mask > 0.6
    assert agreement.mask_iou > 0.5
    opened = Session.open(out, device="cpu")
    opened._phrase_encoder._encoder = Texts()  # type: ignore[assignment]
    names = [ball.name for ball in BALLS]
    pairs = list(zip(opened.query(names), made.query(names), strict=True))
    assert all(abs(ours.presence - theirs.presence) < 0.15 for ours, theirs in pairs)
    (red, field_red), ball = pairs[0], BALLS[0]
    assert red.position is not None
    assert field_red.position is not None
    assert np.linalg.norm(np.array(red.position) - field_red.position) < 3 * 0.5 * ball.radius
    assert np.linalg.norm(np.array(red.position) - WORLD_FROM_SCENE.points(np.array(ball.centre))) < 3 * ball.radius


def test_the_run_says_what_it_is(baked):
    made, run, out, report = baked
    loaded = load_run(out)
    assert loaded.info.model == "splat"
    assert loaded.info.training_config["baked"] == {"run": str(run), "model": "lerf"}
    assert [view.name for view in loaded.info.views] == [view.name for view in made.info.views]
    written = json.loads((out / "metrics.json").read_text())
    assert written == json.loads(json.dumps(report.to_json()))
    assert written["bytes"]["field"] == (run / "model.safetensors").stat().st_size
    assert written["bytes"]["baked"] == (out / "model.safetensors").stat().st_size
    assert written["bytes"]["language"] < written["bytes"]["baked"]
    assert set(written["stages"]) == {"surface", "language", "saving", "agreement"}
    assert written["field_seconds"] == 3600
    model = Session.open(out, device="cpu").model
    assert isinstance(model, Splat)
    assert model.gaussians.count == report.elements == model.gaussians.config.capacity
    away = to_surface(model.gaussians.means.detach()).amin(dim=-1)
    assert away.quantile(0.98) < 0.01
    # Voxels of an eighth of the smallest crop's height: 0.2 times 1.3 away, three times as large in the world.
    assert report.voxel_side_world == pytest.approx(3 * 0.2 * 1.3 / 8, rel=0.5)


def test_asked_at_a_levels_scale_an_element_says_that_level(baked):
    _, _, out, _ = baked
    opened = Session.open(out, device="cpu")
    language = opened.model.language
    torch.testing.assert_close(language.crop_angles, opened.observed_scales().crop_angles)
    means = opened.model.gaussians.means.detach()
    torch.testing.assert_close(language.distance, opened.observed_scales().typical_distance(means).half())


def test_baked_runs_are_replaced_and_trained_ones_are_not(baked, tmp_path: Path):
    made, run, out, _ = baked
    few = bake_it(made, run, out.parent / "again", elements=300, phrases=("red ball",))
    assert few.elements <= 300
    fewer = bake_it(made, run, out.parent / "again", elements=100, phrases=("red ball",))
    assert fewer.elements <= 100
    assert load_run(out.parent / "again").tensors("model")["gaussians.means"].shape == (fewer.elements, 3)
    with pytest.raises(RunError, match="holds a trained run, which baking does not replace; choose another folder"):
        bake_it(made, run, run)


def test_both_are_compared_by_bundled_nouns_if_nobody_says_by_what(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    asked: list[tuple[str, ...]] = []

    def listening(field, baked, cameras, phrases, progress):
        asked.append(phrases)
        return compare(field, baked, cameras, phrases, progress)

    monkeypatch.setattr("langfield.pipelines.bake.compare", listening)
    made, run = field(tmp_path)
    report = bake_it(made, run, tmp_path / "out", elements=200, phrases=())
    (nouns,) = asked
    assert report.agreement.phrases == len(set(nouns)) == 24
    assert set(nouns) < set(common_nouns())


@pytest.fixture(scope="module")
def baked_with_groups(tmp_path_factory: pytest.TempPathFactory):
    """The run of a field that has each ball as a group, and the baked one."""
    folder = tmp_path_factory.mktemp("grouped")
    plain, run = field(folder)
    groups = ball_groups()
    made = Session(replace(plain.info, groups=DESCRIBED), plain.model, plain.device, plain._phrase_encoder, groups)
    save_groups(run, {name: torch.from_numpy(array) for name, array in groups.arrays().items()}, DESCRIBED)
    asked: list[Session] = []

    def listening(field, baked, *given):
        asked.append(baked)
        return compare(field, baked, *given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("langfield.pipelines.bake.compare", listening)
        bake_it(made, run, folder / "out", elements=2000, phrases=("red ball",))
    return made, folder / "out", asked[0]


def test_a_baked_run_has_the_groups_of_its_field(baked_with_groups):
    made, out, asked = baked_with_groups
    loaded = load_run(out)
    assert loaded.info.groups == DESCRIBED
    assert "groups.safetensors" in loaded.files
    assert asked.has_groups  # its answers are compared with those of a field that has them
    opened = Session.open(out, device="cpu")
    means = opened.model.elements().positions_scene.double().numpy()
    for number, ball in enumerate(BALLS):
        on_top = WORLD_FROM_SCENE.points(np.array([ball.centre]) + np.array([[0, 0, ball.radius]]))
        shape, field_shape = opened.segment(on_top), made.segment(on_top)
        assert shape.group == field_shape.group == number
        assert shape.box == field_shape.box
        elements = opened.group_elements(number)
        assert 0 < elements.sum() == shape.elements
        assert to_surface(torch.from_numpy(means[elements]))[:, number].max() < ball.radius / 2


def test_a_baked_run_of_a_field_without_groups_has_none(baked):
    loaded = load_run(baked[2])
    assert loaded.info.groups is None
    assert "groups.safetensors" not in loaded.files


@pytest.mark.parametrize("name", ["surface.keys", "groups.member_voxel", "embeddings"])
def test_groups_that_do_not_fit_are_named_and_how_to_get_others(baked_with_groups, tmp_path: Path, name: str):
    run = tmp_path / "run"
    shutil.copytree(baked_with_groups[1], run)
    tensors = load_run(run).tensors("groups")
    tensors[name] = tensors[name].flip(0) if name == "surface.keys" else torch.zeros(2, 3, dtype=torch.float16)
    save_groups(run, tensors, DESCRIBED)
    file = run / "groups.safetensors"
    with pytest.raises(RunError, match=rf"^{file}: holds no groups \(.*\); train again with --masks"):
        Session.open(run, device="cpu")


def test_a_run_of_gaussians_is_refused(baked, tmp_path: Path):
    opened = Session.open(baked[2], device="cpu")
    with pytest.raises(RunError, match=r"out: has a LanguageMap already: it is a run of Gaussians"):
        bake_it(opened, baked[2], tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_what_cannot_be_baked_leaves_no_run(tmp_path: Path):
    made, run = field(tmp_path, BallField(mute=True))
    with pytest.raises(RunError, match="has no language on the surfaces"):
        bake_it(made, run, tmp_path / "out")
    assert not has_run(tmp_path / "out")
    with pytest.raises(UsageError, match="a phrase is empty"):
        bake_it(made, run, tmp_path / "other", phrases=("mug", " "))
    assert not (tmp_path / "other").exists()


def test_a_device_that_draws_no_gaussians_is_said_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def no_drawing(*_):
        raise UsageError("drawing Gaussians on a GPU needs gsplat")

    made, run = field(tmp_path)
    monkeypatch.setattr("langfield.pipelines.bake.splat", no_drawing)
    with pytest.raises(UsageError, match="needs gsplat"):
        bake_it(made, run, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_run_without_language_is_refused(tmp_path: Path):
    made, run = field(tmp_path)
    made._phrase_encoder._document = None
    with pytest.raises(UsageError, match="this run was trained without language"):
        bake_it(made, run, tmp_path / "out")
    assert not (tmp_path / "out").exists()
