"""A run's index on disk: the same as a fresh one to the last bit, and never one of anything else."""

import logging
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from langfield.core.errors import UsageError
from langfield.models.relevancy import EncodedPhrases
from langfield.query.index import kept_index
from langfield.query.index.kept_index import IndexFile
from langfield.query.index.scene_index import SceneIndex
from langfield.query.session import Session
from langfield.runs.directory import INDEX, load_run, save_run
from langfield.runs.kept_tensors import write_kept

REFERENCE = Path(__file__).parents[2] / "runs" / "reference"
RUNS = ("lerf", "lift", "splat")
CPU = torch.device("cpu")


@pytest.fixture
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A small run that nobody has asked, the field `lift` if a test does not say."""
    loaded = load_run(REFERENCE / getattr(request, "param", "lift"))
    (tmp_path / "run").mkdir()
    save_run(tmp_path / "run", loaded.info, {"model": loaded.tensors("model")})
    return tmp_path / "run"


def index_of(run: Path) -> SceneIndex:
    return Session.open(run, device="cpu")._scene.index()


def rendered_views(session: Session, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The cameras that the session's model renders from now on."""
    cameras, model = [], type(session.model)
    for name in ("view", "render"):
        real = getattr(model, name)
        monkeypatch.setattr(model, name, lambda *args, _real=real: (cameras.append(args[1]), _real(*args))[1])
    return cameras


def check_same(found: SceneIndex, expected: SceneIndex) -> None:
    """Equal to the last bit, and so are what they answer with."""
    one, other = found.tensors(), expected.tensors()
    assert one.keys() == other.keys()
    for name, tensor in other.items():
        assert one[name].dtype == tensor.dtype, name
        assert one[name].shape == tensor.shape, name
        assert one[name].cpu().contiguous().numpy().tobytes() == tensor.cpu().contiguous().numpy().tobytes(), name
    dim = expected.embeddings.vectors.shape[2]
    said = torch.nn.functional.normalize(torch.randn(7, dim, generator=torch.Generator().manual_seed(1)), dim=-1)
    phrases = EncodedPhrases(("a", "b", "c"), said[:3], said[3:], 10.0)
    one, other = found.score(phrases), expected.score(phrases)
    for name in ("cell_relevancy", "voxel_relevancy", "crop_level"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert regions(found, one.voxel_relevancy[0]) == regions(expected, other.voxel_relevancy[0])


def regions(index: SceneIndex, relevancy: np.ndarray) -> list[tuple[float, float, list[int]]]:
    return [(found.peak, found.floor, found.voxels.tolist()) for found in index.graph.regions(relevancy)]


@pytest.mark.parametrize("run", RUNS, indirect=True)
def test_a_kept_index_is_the_fresh_one_and_nothing_is_rendered_for_it(run: Path, monkeypatch: pytest.MonkeyPatch):
    session = Session.open(run, device="cpu")
    fresh = session.beside(session.info, session.model)
    expected = fresh._scene.index()
    assert len(expected.voxels) > 10
    assert expected.embeddings.observed.any()
    assert not (run / INDEX).exists()  # what `beside` gives may hold any model
    check_same(session._scene.index(), expected)
    assert (run / INDEX).exists()
    again = Session.open(run, device="cpu")
    seen = rendered_views(again, monkeypatch)
    check_same(again._scene.index(), expected)
    if not again.has_splats:
        expected_points, points = fresh._scene.points, again._scene.points
        for name in ("xyz", "rgb", "spacing"):
            assert torch.equal(getattr(points, name), getattr(expected_points, name))
    assert not seen


def test_one_with_boundary_features_is_read_as_it_was(run: Path):
    index = index_of(run)
    features = np.random.default_rng(0).normal(size=(len(index.voxels), 6))
    with_features = replace(index, graph=replace(index.graph, boundary_features=features))
    check_same(SceneIndex.from_tensors(with_features.tensors(), CPU), with_features)


def test_another_model_cameras_device_or_code_are_other_keys(run: Path, monkeypatch: pytest.MonkeyPatch):
    loaded = load_run(run)
    known = {IndexFile.of_run(loaded, CPU).key}

    def is_new(changed, device: torch.device = CPU) -> bool:
        key = IndexFile.of_run(changed, device).key
        fresh = key not in known
        known.add(key)
        return fresh

    info, model = loaded.info, loaded.files["model.safetensors"]
    assert not is_new(loaded)
    assert is_new(replace(loaded, files=dict(loaded.files) | {"model.safetensors": replace(model, sha256="0" * 64)}))
    assert is_new(loaded, torch.device("cuda"))
    assert is_new(replace(loaded, info=replace(info, views=info.views[1:])))
    split = [replace(view, split="test" if view.split == "train" else "train") for view in info.views]
    assert is_new(replace(loaded, info=replace(info, views=split)))
    assert is_new(replace(loaded, info=replace(info, scene_from_world=info.scene_from_world * [[2], [2], [2], [1]])))
    assert is_new(replace(loaded, info=replace(info, model_config=dict(info.model_config) | {"more": 1})))
    assert is_new(replace(loaded, info=replace(info, model_context=dict(info.model_context) | {"crop_angles": [1, 2]})))
    # What enters after the index, or never, does not count.
    assert not is_new(replace(loaded, info=replace(info, groups={"groups": 1}, created="now", scene_path="elsewhere")))
    monkeypatch.setattr(kept_index, "package_version", lambda: "99.0")
    assert is_new(loaded)
    monkeypatch.setattr(kept_index, "code_digest", lambda: "other code")
    assert is_new(loaded)


def test_the_code_digest_is_of_files_that_are_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    package = kept_index._PACKAGE
    assert (package / "query" / "index" / "kept_index.py").is_file()
    copy = tmp_path / "package"
    for part in kept_index._MADE_BY:
        assert (package / part).is_file() or list((package / part).rglob("*.py")), part
    shutil.copytree(package, copy)
    monkeypatch.setattr(kept_index, "_PACKAGE", copy)
    before = kept_index.code_digest.__wrapped__()
    assert before == kept_index.code_digest()
    for changed in ("index/regions.py", "opened_scene.py"):
        with (copy / "query" / changed).open("a") as file:
            file.write("# changed\n")
        after = kept_index.code_digest.__wrapped__()
        assert after != before
        before = after


def test_a_model_that_was_saved_anew_gets_an_index_of_its_own(run: Path):
    before = index_of(run)
    loaded = load_run(run)
    tensors = loaded.tensors("model")
    name = max(tensors, key=lambda one: tensors[one].numel() if tensors[one].is_floating_point() else 0)
    tensors[name] = tensors[name].flip(0).contiguous()
    save_run(run, loaded.info, {"model": tensors})
    assert not (run / INDEX).exists()
    session = Session.open(run, device="cpu")
    after = session._scene.index()
    assert not torch.equal(after.embeddings.vectors, before.embeddings.vectors)
    check_same(index_of(run), session.beside(session.info, session.model)._scene.index())


@pytest.mark.parametrize("damage", ["empty", "cut", "one byte", "other tensors", "no tensors"])
def test_a_damaged_or_foreign_one_is_made_anew(run: Path, damage: str):
    expected = index_of(run)
    whole = (run / INDEX).read_bytes()
    match damage:
        case "empty":
            (run / INDEX).write_bytes(b"")
        case "cut":
            (run / INDEX).write_bytes(whole[: len(whole) // 2])
        case "one byte":
            (run / INDEX).write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        case "other tensors":
            shutil.copyfile(run / "model.safetensors", run / INDEX)
        case "no tensors":
            (run / INDEX).write_bytes(b"no tensors" * 100)
    check_same(index_of(run), expected)
    assert IndexFile.of_run(load_run(run), CPU).read() is not None


@pytest.mark.parametrize("missing", ["crop_angles", "voxels.side_scene", "embeddings.vectors"])
def test_one_that_is_whole_but_no_index_is_made_anew(run: Path, missing: str):
    expected, file = index_of(run), IndexFile.of_run(load_run(run), CPU)
    tensors = expected.tensors()
    del tensors[missing]
    write_kept(file.path, file.key, tensors)
    assert file.read() is None
    check_same(index_of(run), expected)
    assert file.read() is not None


def test_a_model_that_was_changed_in_memory_leaves_the_runs_index(run: Path):
    """It neither reads nor replaces what the run's own model has."""
    expected, session = index_of(run), Session.open(run, device="cpu")
    kept = (run / INDEX).read_bytes()
    with torch.no_grad():
        for tensor in (*session.model.parameters(), *session.model.buffers()):
            if tensor.is_floating_point():
                tensor.mul_(0.5)
    changed = session._scene.index()
    assert changed.embeddings.vectors.shape != expected.embeddings.vectors.shape or not torch.equal(
        changed.embeddings.vectors, expected.embeddings.vectors
    )
    assert (run / INDEX).read_bytes() == kept


def test_pictures_that_are_missing_are_made_anew(run: Path):
    expected, file = index_of(run), IndexFile.of_run(load_run(run), CPU)
    file.write(expected, [])
    session = Session.open(run, device="cpu")
    check_same(session._scene.index(), expected)
    assert len(session._scene._small_pictures) > 0
    assert file.read() is not None


def test_where_it_cannot_be_kept_questions_are_answered_all_the_same(run: Path, caplog: pytest.LogCaptureFixture):
    expected = index_of(run)
    (run / INDEX).unlink()
    (run / INDEX / "in the way").mkdir(parents=True)
    with caplog.at_level(logging.INFO):
        check_same(index_of(run), expected)
    (said,) = [record for record in caplog.records if record.name == kept_index.__name__]
    assert said.levelno == logging.INFO  # the command line shows warnings
    assert str(run / INDEX) in said.getMessage()


def test_a_read_only_run_is_answered(run: Path, monkeypatch: pytest.MonkeyPatch):
    """Whoever runs the tests may be allowed to write all the same."""
    real = tempfile.mkstemp

    def refused(*args, **kwargs):
        if kwargs.get("dir") == run:
            raise PermissionError(13, "Permission denied")
        return real(*args, **kwargs)

    monkeypatch.setattr(tempfile, "mkstemp", refused)
    before = sorted(path.name for path in run.iterdir())
    assert len(index_of(run).voxels)
    assert sorted(path.name for path in run.iterdir()) == before


def test_one_that_is_too_large_is_not_kept(run: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(kept_index, "MAX_BYTES", 1000)
    assert len(index_of(run).voxels)
    assert not (run / INDEX).exists()


def test_a_run_without_language_keeps_none_and_reads_none(run: Path):
    index_of(run)
    loaded = load_run(run)
    kept = (run / INDEX).read_bytes()
    save_run(run, replace(loaded.info, encoders={}), {"model": loaded.tensors("model")})
    (run / INDEX).write_bytes(kept)
    session = Session.open(run, device="cpu")
    with pytest.raises(UsageError, match="without language"):
        session._scene.index()
    assert (run / INDEX).read_bytes() == kept
