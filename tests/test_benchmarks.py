"""The benchmarks of Gaussians run on a CPU, on next to nothing, and what they find can be drawn. No figure is checked:
only a GPU has one."""

import argparse
import ast
import json
import math
import os
import sys
from dataclasses import fields, replace
from pathlib import Path
from random import Random
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from tests.cli.conftest import write_encoder
from tests.data.scenes import write_ball_scene
from tests.models.gaussians.test_splat import CONFIG
from tests.query.fake_session import session
from tests.query.fake_world import PHRASES

import langfield
from langfield.core.cameras import Camera
from langfield.data.scene import open_scene
from langfield.encoders.registry import load_image_text
from langfield.evaluation.masks import ious
from langfield.evaluation.metrics import ssim
from langfield.features.bank import build_features
from langfield.features.pyramid import PyramidRecipe
from langfield.models.batches import Photo
from langfield.models.gaussians.splat import LiftingConfig, Splat
from langfield.models.presets import PRESETS
from langfield.query import opened_scene
from langfield.query.index.regions import GROW_SHARE, MIN_VOXELS, PEAK_SHARE
from langfield.query.session import Session
from langfield.runs.directory import INDEX, load_run, save_run

FOLDER = Path(__file__).parents[1] / "benchmarks"
EXAMPLES = FOLDER.parent / "examples"


@pytest.mark.parametrize("path", [*FOLDER.glob("*.py"), *EXAMPLES.glob("*.py")], ids=lambda path: path.name)
def test_only_what_is_public_is_used(path: Path):
    """No attribute, and no name of another module, that begins with an underscore, but one's own."""
    tree = ast.parse(path.read_text())
    used = [
        f"line {node.lineno}: {ast.unparse(node)}"
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and private(node.attr)
        and not (isinstance(node.value, ast.Name) and node.value.id in ("self", "cls"))
    ]
    imported = [
        f"line {node.lineno}: {alias.name}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom | ast.Import)
        for alias in node.names
        if any(private(part) for part in alias.name.split("."))
    ]
    assert used + imported == []


def private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__")


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Run splats.py with these arguments: what it wrote."""
    monkeypatch.syspath_prepend(str(FOLDER))
    import splats  # pyright: ignore[reportMissingImports]

    def run(*arguments: str) -> dict:
        out = tmp_path / "found.json"
        monkeypatch.setattr(sys, "argv", ["splats.py", *arguments, "--small", "--device", "cpu", "--out", str(out)])
        splats.main()
        found = json.loads(out.read_text())
        assert found["machine"]["copy_bytes_per_ms"] > 0
        return found

    return run


def test_fuzzing_readers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Sound files are read by all readers; damage follows from its number; and some of it is refused, none fails."""
    monkeypatch.syspath_prepend(str(FOLDER))
    import fuzz_readers  # pyright: ignore[reportMissingImports]
    from fuzz_mutations import mutated  # pyright: ignore[reportMissingImports]
    from fuzz_targets import targets  # pyright: ignore[reportMissingImports]

    found = targets(tmp_path / "files")
    assert len({target.name for target in found}) == 22
    sound = [target.path.read_bytes() for target in found]
    counts = fuzz_readers.Counts()
    for number, (target, content) in enumerate(zip(found, sound, strict=True)):
        target.read()
        assert mutated(content, Random(number), target.others) == mutated(content, Random(number), target.others)
        for case in range(number, number + 300, 100):
            fuzz_readers.count(counts, case, *fuzz_readers.outcome(case, target, content))
        target.path.write_bytes(content)
    assert counts.inputs == 3 * len(found)
    assert counts.refused > counts.read > 0
    assert counts.failures == []


def test_fuzzing_tells_of_failures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    import fuzz_readers  # pyright: ignore[reportMissingImports]
    from fuzz_targets import Target  # pyright: ignore[reportMissingImports]

    def fails() -> None:
        raise KeyError("x")

    path = tmp_path / "a"
    path.write_bytes(b"abc")
    kind, why, _ = fuzz_readers.outcome(1, Target("a", path, fails, [b"abc"]), b"abc")
    assert (kind, why.split("(")[0]) == ("failure", "KeyError: 'x' ")
    monkeypatch.setattr(fuzz_readers, "SLOW_S", -1.0)
    assert fuzz_readers.outcome(1, Target("a", path, list, [b"abc"]), b"abc")[0] == "failure"


@pytest.fixture
def plots(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(FOLDER))
    import plots  # pyright: ignore[reportMissingImports]

    return plots


def test_relevancy(benchmark, plots: ModuleType, capsys: pytest.CaptureFixture[str]):
    found = benchmark("relevancy")
    assert [(row["gaussians"], row["phrases"]) for row in found["known"]] == [(300, 1), (300, 3), (600, 1), (600, 3)]
    for row in found["known"]:
        assert row["pairs"] > row["pairs_contributing"] > 0
        assert row["fixed_ms"] > row["floor_ms"] > 0
        assert row["pictures_per_s"] == pytest.approx(row["phrases"] * 1e3 / row["fixed_ms"])
    assert found["new_phrase"]["text_and_picture_ms"] > found["new_phrase"]["text_ms"] > 0
    told = capsys.readouterr().out
    assert "Kernels of known phrases" in told
    assert "Public calls, 300 Gaussians" in told
    made = plots.plots(found)
    assert set(made) == {"relevancy_gaussians", "relevancy_phrases"}
    for plot in made.values():
        assert np.asarray(plots.drawn(plot)).std() > 10


def test_lifting(benchmark, plots: ModuleType):
    found = benchmark("lifting")
    rows = [(row["gaussians"], row["photos"], row["levels"]) for row in found["lifting"]]
    assert rows == [(200, 2, 2), (400, 2, 1), (400, 2, 2), (400, 3, 2)]
    assert all(row["seconds"] > row["floor_s"] > 0 for row in found["lifting"])
    made = plots.plots(found)
    assert {name: len(plot.lines[0].points) for name, plot in made.items()} == {
        "lifting_photos": 2, "lifting_levels": 2, "lifting_gaussians": 2
    }  # fmt: skip


def test_growth(benchmark, plots: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LANGFIELD_CACHE", "put back afterwards")
    (tmp_path / "encoder").mkdir()
    found = benchmark("growth", "--encoder", write_encoder(tmp_path / "encoder"))
    assert [row["photos"] for row in found["photos"]] == [8, 16]
    for row in found["photos"]:
        assert row["all_s"] > row["features_s"] + row["training_s"] + row["lifting_s"] > 0
    assert [row["steps"] for row in found["gaussians"]] == [6, 6]
    assert all(row["gaussians"] >= 200 and row["training_s"] > 0 for row in found["gaussians"])
    # 250 and 500 Gaussians of 59 numbers, of each of which Adam reads and writes 28 bytes, 6 times.
    rate = found["machine"]["copy_bytes_per_ms"] * 1e3
    assert [row["adam_s"] * rate for row in found["gaussians"]] == pytest.approx([2_478_000, 4_956_000])
    made = plots.plots(found)
    assert {name: len(plot.lines) for name, plot in made.items()} == {"growth_photos": 4, "growth_gaussians": 2}
    assert np.asarray(plots.drawn(made["growth_photos"])).std() > 10


def test_training(benchmark, plots: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    scene = tmp_path / "balls"
    write_ball_scene(scene, n_views=9, width_px=32, height_px=24, n_points=200)
    settings = ("--set", "gaussians.capacity=400", "strategy.refine_start=4", "strategy.refine_every=4", "--every", "4")
    found = benchmark("training", str(scene), *settings, "--max-steps", "8", "--targets", "1", "60")
    (row,) = found["rows"]
    assert row["preset"] == "splat"
    assert row["steps"] == 8
    assert 0 < row["s to 1.0 dB"] <= row["training_s"]
    assert row["s to 60.0 dB"] is None
    assert row["gaussians"] > 200
    splat = found["presets"]["splat"]
    assert splat["config"]["gaussians"]["capacity"] == 400
    assert [step for step, *_ in splat["curve"]] == [4, 8]
    assert {"batch", "colours", "project and rasterise", "loss", "backward", "optimiser"} <= set(splat["parts_ms"])
    assert "Time to a PSNR" in capsys.readouterr().out
    assert np.asarray(plots.drawn(plots.plots(found)["training"])).std() > 10


def test_training_on_several_photos_and_by_adaptive_density(benchmark, tmp_path: Path):
    scene = tmp_path / "balls"
    write_ball_scene(scene, n_views=5, width_px=32, height_px=24, n_points=200)
    refining = ("strategy.refine_start=1", "strategy.refine_every=2")
    settings = ("--set", "gaussians.capacity=400", *refining, "half_size_until=2")
    presets = ("--presets", "splat-fast", "splat-classic")
    found = benchmark("training", str(scene), *presets, *settings, "--max-steps", "5", "--every", "5")
    assert [row["steps"] for row in found["rows"]] == [5, 5]
    fast, classic = (found["presets"][name]["config"] for name in presets[1:])
    assert (fast["photos_per_step"], classic["photos_per_step"]) == (4, 1)
    for splat in found["presets"].values():
        assert splat["config"]["strategy"]["refine_every"] == 2
        assert splat["parts_ms"]["project and rasterise"] > 0


@pytest.fixture
def baseline(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(FOLDER))
    import gsplat_baseline  # pyright: ignore[reportMissingImports]

    return gsplat_baseline


def ball_scene(folder: Path, lens: dict[str, float] | None = None, points: bool = True) -> Path:
    """A small one, perhaps seen through a bent lens, perhaps without its point cloud."""
    write_ball_scene(folder, n_views=9, width_px=32, height_px=24, n_points=200)
    layout = json.loads((folder / "transforms.json").read_text()) | (lens or {})
    if not points:
        del layout["ply_file_path"]
        (folder / "points3D.ply").unlink()
    (folder / "transforms.json").write_text(json.dumps(layout))
    return folder


@pytest.mark.parametrize(
    ("lens", "points", "first"), [(None, True, 200), ({"k1": 0.06, "k2": -0.04, "p1": 1e-3, "p2": 0.0}, False, 300)]
)
def test_gsplats_own_training(
    baseline: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, lens: dict | None, points: bool, first: int
):
    scene, out = ball_scene(tmp_path / "balls", lens, points), tmp_path / "baseline.json"
    arguments = [str(scene), "--small", "--device", "cpu", "--looks", "4", "--out", str(out)]
    monkeypatch.setattr(sys, "argv", ["gsplat_baseline.py", *arguments])
    baseline.main()
    found = json.loads(out.read_text())
    assert found["machine"]["copy_bytes_per_ms"] > 0
    assert [look["step"] for look in found["looks"]] == [4, 12]
    assert first < found["looks"][0]["gaussians"] < found["gaussians"]
    assert found["looks"][0]["psnr"] < found["psnr"] < 40
    assert found["looks"][0]["training_s"] < found["training_s"] < found["seconds"]
    assert found["settings"]["max_steps"] == 30_000


def test_the_frame_of_gsplats_trainer(baseline: ModuleType, tmp_path: Path):
    scene = open_scene(ball_scene(tmp_path / "balls"))
    bare = replace(scene, points=None)
    placed = replace(bare, scene_from_world=baseline.trainers_frame(bare))
    poses = np.stack([camera.world_from_camera for camera in placed.cameras_scene()])
    centres, forward = poses[:, :3, 3], poses[:, :3, 2]
    np.testing.assert_allclose(np.median(np.linalg.norm(centres, axis=1)), 1)
    np.testing.assert_allclose(poses[:, [0, 2], 1].mean(axis=0), 0, atol=1e-12)
    assert poses[:, 1, 1].mean() > 0
    # The balls' cameras look at one place, which is not the world's origin.
    np.testing.assert_allclose(np.cross(centres, forward), 0, atol=0.1)

    frame = baseline.trainers_frame(scene)
    points = frame.points(scene.points.xyz.astype(np.float64))
    first = placed.scene_from_world
    origin = first.points(frame.inverse().translation)
    np.testing.assert_allclose(origin, np.median(first.points(scene.points.xyz.astype(np.float64)), axis=0), atol=1e-12)
    spread = np.cov(points, rowvar=False)
    np.testing.assert_allclose(spread - np.diag(np.diag(spread)), 0, atol=1e-9)
    assert spread[0, 0] >= spread[1, 1] >= spread[2, 2]
    assert points[:, 2].mean() >= np.median(points[:, 2])
    assert np.linalg.det(frame.rotation) == pytest.approx(1)
    assert frame.scale == pytest.approx(first.scale)
    assert baseline.scene_scale(replace(scene, scene_from_world=frame)) == pytest.approx(baseline.scene_scale(placed))


def test_gsplats_loss_compares_whole_windows(baseline: ModuleType):
    rng = np.random.default_rng(0)
    photo = rng.integers(0, 256, (24, 32, 3), dtype=np.uint8)
    picture = (photo * 0.7 + rng.integers(0, 60, photo.shape)).astype(np.uint8)
    tensors = [torch.from_numpy(values).double() / 255 for values in (picture, photo)]
    assert float(baseline.similarity_within(*tensors)) == pytest.approx(ssim(picture, photo), abs=1e-6)
    used = torch.zeros(24, 32, dtype=torch.bool)
    used[:, :20] = True
    camera = Camera(np.eye(4), 32, 24, 30.0, 30.0, 16.0, 12.0)
    losses = []
    for beyond in (0.1, 0.9):
        tensors[0][:, 20:] = beyond
        losses.append(float(baseline._loss(tensors[0], Photo(0, camera, tensors[1], used), 0.2)))
    assert losses[0] == losses[1] > 0


@pytest.fixture
def ablations(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.setenv("LANGFIELD_CACHE", str(tmp_path / "cache"))
    import lifting_ablations  # pyright: ignore[reportMissingImports]

    return lifting_ablations


def lifted_run(monkeypatch: pytest.MonkeyPatch, folder: Path) -> tuple[Path, Path]:
    """A scene, and a run of a few Gaussians of it that language was lifted to."""
    lifting = LiftingConfig(codes=8, side_px=32, min_contribution=0.2)
    config = replace(CONFIG, gaussians=replace(CONFIG.gaussians, capacity=220), lifting=lifting)
    pyramid = PyramidRecipe((0.2, 0.35, 0.5), 0.5)
    small = replace(PRESETS["splat"], config=config, steps=6, pyramid=pyramid, feature_views=3)
    monkeypatch.setitem(PRESETS, "splat", small)
    scene = write_ball_scene(folder / "scene", n_views=5, width_px=40, height_px=30, n_points=200).folder
    encoder = folder / "encoder"
    encoder.mkdir()
    langfield.train(scene, folder / "run", preset="splat", encoder=write_encoder(encoder), device="cpu")
    return scene, folder / "run"


def test_lifting_ablations(
    ablations: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    scene, run = lifted_run(monkeypatch, tmp_path)
    out = tmp_path / "ablations.json"
    arguments = [str(run), str(scene), "--small", "--device", "cpu", "--out", str(out)]
    monkeypatch.setattr(sys, "argv", ["lifting_ablations.py", *arguments])
    ablations.main()
    found = json.loads(out.read_text())
    assert (found["photos"], found["tile_ratios"]) == (3, [0.2, 0.35, 0.5])
    rows = {row["setting"]: row for row in found["rows"]}
    alone = ["as the run", "1 kept", "light 0 px", "coherence 0", "not robust", "4 codes", "1 a crop", "side 24 px"]
    assert list(rows) == [*alone, "0.2", "0.2 0.5", "0.35 0.5", "0.2 0.35"]
    # Lifted as the run was, it is the run.
    base, measured = rows["as the run"], langfield.evaluate(run, device="cpu").to_json()
    assert {name: base[name] for name in ("hits", "total")} == measured["localisation"]["headline"]
    assert base["total"] > 0
    assert base["miou"] == measured["miou"]
    assert base["auroc"] == measured["presence"]["auroc"]
    model = Session.open(run, device="cpu").model
    assert isinstance(model, Splat)
    kept = len(model.language.distance)
    assert base["language_bytes"] - rows["1 kept"]["language_bytes"] == 3 * 4 * 3 * kept  # levels, bytes, codes
    assert base["language_bytes"] - rows["0.2"]["language_bytes"] == 2 * (4 * 4 * kept + 4)
    assert rows["light 0 px"]["answering"] > base["answering"]
    assert rows["coherence 0"]["answering"] >= base["answering"]
    assert all(row["lift_s"] > 0 for row in found["rows"])
    said = capsys.readouterr().out
    assert [f"Language lifted again: {group}" in said for group in ("kept", "side", "levels")] == [True] * 3


def test_levels_left_out_are_as_if_never_cut(ablations: ModuleType, tmp_path: Path):
    scene = open_scene(write_ball_scene(tmp_path / "scene", n_views=4, width_px=48, height_px=36).folder)
    recipe = PyramidRecipe((0.2, 0.35, 0.5), 0.5)
    encoder, views = load_image_text("builtin:mini", "cpu"), [0, 3]
    whole = build_features(scene, views, encoder, recipe=recipe).pyramid
    fewer = build_features(scene, views, encoder, recipe=PyramidRecipe((0.2, 0.5), 0.5)).pyramid
    made = ablations.only_levels(whole, scene, views, recipe, (0, 2))
    for field in fields(made):
        ours, theirs = getattr(made, field.name), getattr(fewer, field.name)
        torch.testing.assert_close(ours, theirs, atol=2e-3 if field.name == "rows" else 0, rtol=0)


def test_settings_are_lifted_together_where_they_share_sums(ablations: ModuleType):
    every = ablations.settings(LiftingConfig(), (0.1, 0.2, 0.3), ablations.Values())
    assert len({(setting.lifting, setting.levels, setting.choices) for setting in every}) == len(every)
    together = ablations.sharing(every)
    assert sum(map(len, together)) == len(every)
    assert {setting.group for setting in together[0]} == {"base", "kept", "min_contribution", "coherence", "robust"}
    assert all(len(alike) == 1 for alike in together[1:])


def test_axes_put_values_in_order_and_ticks_within(plots: ModuleType):
    for logarithmic, values in (
        (True, [0.03, 2.0, 70.0]),
        (True, [19.5, 44.3]),
        (True, [10.2, 10.9]),
        (False, [31.2, 35.77, 36.56]),
        (True, [5.0]),
        (False, [5.0]),
    ):
        axis = plots._Axis(values, 100, 800, logarithmic)
        at = [axis.place(value) for value in values]
        assert at == sorted(at)
        assert 100 < at[0] <= at[-1] < 800
        ticks = axis.ticks()
        assert len(ticks) >= 2 or len(values) == 1
        assert all(100 <= axis.place(tick) <= 800 for tick in ticks)


def test_a_plot_of_nothing_is_refused(plots: ModuleType):
    with pytest.raises(ValueError, match="nothing to draw in 'empty'"):
        plots.drawn(plots.Plot("empty", "x", "y", [plots.Line("a", [(0.0, 1.0), (float("nan"), 2.0)])]))


def test_hits_are_the_sessions_under_the_usual_rule(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.syspath_prepend(str(FOLDER))
    import hits  # pyright: ignore[reportMissingImports]

    asked = session()
    answers = asked.query(["thing", "nothing"])
    assert answers[0].position is not None
    things = [{"id": i, "position": list(answers[0].position), "radius": 0.5, "height": 1.0} for i in range(2)]
    queries = [{"text": a.phrase, "ids": [i], "kind": "object"} for i, a in enumerate(answers)]
    document = {"id_png_offset": 5, "instances": things, "queries": queries}
    (tmp_path / "queries.json").write_text(json.dumps(document))
    hits.write(asked, tmp_path, tmp_path / "hits.npz")
    dump = hits.Dump(tmp_path / "hits.npz")
    rows = dump.counts(PEAK_SHARE, GROW_SHARE, MIN_VOXELS)
    assert [row[:3] for row in rows] == [(a.phrase, len(a.hits), 1) for a in answers]
    assert rows[0][4]  # the thing was put where the answer is
    hits.compared([dump, dump])
    assert "0 of 0" in capsys.readouterr().out


def test_oracles_replace_stages_by_the_truth(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    import oracles  # pyright: ignore[reportMissingImports]

    truth = torch.zeros(1, 8, 8, dtype=torch.bool)
    truth[0, :4] = True
    maps = 0.3 + 0.5 * truth.float() + 0.1 * torch.rand(1, 8, 8, generator=torch.Generator().manual_seed(0))
    assert oracles._best_cut(maps, truth).tolist() == [1]
    assert oracles._best_cut(1 - maps, truth)[0] <= 0.5
    averaged = oracles._averaged(maps, [truth[0].numpy(), ~truth[0].numpy()])
    for part in (truth[0], ~truth[0]):
        torch.testing.assert_close(averaged[0, part], maps[0, part].mean().expand(32))

    asked = session()
    camera, surface = asked.views[0].camera, oracles._OnSurface(asked)
    left_half = np.zeros((camera.height_px, camera.width_px), bool)
    left_half[:, : camera.width_px // 2] = True
    labels = [SimpleNamespace(phrase="thing", mask=left_half)]
    read = surface.learn(camera, asked.ask_view(camera, ["thing"]), labels)
    told = torch.from_numpy(surface.read(read, labels)) > 0.5
    assert ious(told, torch.from_numpy(left_half)[None]).item() > 0.9
    levels = list(surface.levels(read, labels))
    assert len(levels) == len(asked.observed_scales().crop_angles)
    assert {level.shape for level in levels} == {(1, camera.height_px, camera.width_px)}

    masks = [asked.ask_view(camera, ["thing"]).masks[0], left_half & (np.arange(camera.width_px) < 4)]
    crops = [oracles._Crop(torch.zeros(3, 4, 4), 0.06, SimpleNamespace(phrase="", mask=mask)) for mask in masks]
    said = surface.language(read, crops) @ PHRASES.embeddings.T
    assert said[0, 0] > 5 * said[1, 0]  # where the thing is more is said of it than beside it, where there is wall
    assert said[1, 1] > 0.9
    torch.testing.assert_close(surface.language(read, crops).norm(dim=1), torch.ones(2))


def test_the_first_answer_is_measured_from_the_start_of_the_process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.syspath_prepend(str(FOLDER))
    import first_answer  # pyright: ignore[reportMissingImports]

    write_ball_scene(tmp_path / "balls", n_views=5, width_px=32, height_px=24, n_points=200)
    (tmp_path / "encoder").mkdir()
    options = {"preset": "lift", "encoder": write_encoder(tmp_path / "encoder"), "device": "cpu", "max_steps": 2}
    options["out"] = str(tmp_path / "found.json")
    namespace = argparse.Namespace(scene=tmp_path / "balls", phrase="red ball", **options)
    found = first_answer.measured(namespace)
    assert json.loads((tmp_path / "found.json").read_text()) == found
    parts = dict(found["seconds"])
    assert parts.pop("all") == pytest.approx(sum(parts.values()), abs=0.05)
    assert {"imports", "train: features", "train: lifting", "open", "query"} <= set(parts)
    assert min(parts.values()) >= 0
    assert found["answer"]["phrase"] == "red ball"


def test_mask_crops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Every thing of every test view is named once before each background, and all show the same thing."""
    monkeypatch.syspath_prepend(str(FOLDER))
    import mask_crops  # pyright: ignore[reportMissingImports]

    (tmp_path / "encoder").mkdir()
    write_ball_scene(tmp_path / "scene", n_views=3)
    encoder = load_image_text(write_encoder(tmp_path / "encoder"))
    found = mask_crops.named_right(open_scene(tmp_path / "scene"), encoder, min_area_px=20)
    assert found.keys() == {"nouns", "names"}
    counts = {len(right) for backgrounds in found.values() for right in backgrounds.values()}
    assert len(counts) == 1
    assert counts.pop() > 0
    photo = torch.randint(0, 256, (40, 60, 3), dtype=torch.uint8)
    mask = torch.zeros(1, 40, 60, dtype=torch.bool)
    mask[:, 10:30, 20:40] = True
    sharp, *others = mask_crops.with_backgrounds(photo, mask, 24).values()
    for other in others:
        torch.testing.assert_close(other[..., 4:-4, 4:-4], sharp[..., 4:-4, 4:-4])
        assert (other[..., 0, :] - sharp[..., 0, :]).abs().max() > 0.1


def test_benchmarks_of_the_first_question_neither_read_nor_keep_an_index(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.syspath_prepend(str(FOLDER))
    import asking  # pyright: ignore[reportMissingImports]

    loaded = load_run(Path(__file__).parent / "runs" / "reference" / "lift")
    save_run(tmp_path, loaded.info, {"model": loaded.tensors("model")})
    assert len(asking.opened_anew(str(tmp_path), "cpu")._scene.index().voxels)
    assert not (tmp_path / INDEX).exists()
    Session.open(tmp_path, device="cpu")._scene.index()
    assert (tmp_path / INDEX).exists()
    real, made = opened_scene.build_scene_index, []
    monkeypatch.setattr(opened_scene, "build_scene_index", lambda *args: (made.append(args), real(*args))[1])
    Session.open(tmp_path, device="cpu")._scene.index()
    assert not made
    asking.opened_anew(str(tmp_path), "cpu")._scene.index()
    assert made


def test_a_moving_camera(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Each public call is timed and profiled, with cameras that all differ and look at the scene."""
    monkeypatch.syspath_prepend(str(FOLDER))
    import moving_camera  # pyright: ignore[reportMissingImports]

    asked = session()
    seen: list[bytes] = []
    picture = asked.picture

    def looked(camera: Camera):
        seen.append(camera.world_from_camera.tobytes())
        rgb, depth = picture(camera)
        assert rgb.shape == (36, 48, 3)
        assert np.isfinite(depth).any()
        return rgb, depth

    monkeypatch.setattr(asked, "picture", looked)
    monkeypatch.setattr(moving_camera, "opened_anew", lambda run, device: asked)
    arguments = ["run", "--size", "48x36", "--frames", "2", "--phrase", "thing", "--profile", "--device", "cpu"]
    calls = ["--calls", "picture", "quick_relevancy", "query, a new phrase"]
    monkeypatch.setattr(sys, "argv", ["moving_camera.py", *arguments, *calls])
    moving_camera.main()
    assert len(set(seen)) == len(seen) > 4
    told = capsys.readouterr().out
    for call in ("picture", "quick_relevancy", "query, a new phrase"):
        assert f"\n| {call} | " in told
        assert f"## {call}, a frame" in told
    assert "picture_jpeg" not in told


def test_group_speed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    pytest.importorskip("skimage", reason="superpixels need the extra masks")
    monkeypatch.syspath_prepend(str(FOLDER))
    import group_speed  # pyright: ignore[reportMissingImports]

    scene, run = lifted_run(monkeypatch, tmp_path)
    arguments = ["--masks", "superpixels", "--photos", "4", "--clicks", "3", "--device", "cpu"]
    monkeypatch.setattr(sys, "argv", ["group_speed.py", str(run), str(scene), *arguments])
    group_speed.main()
    told = capsys.readouterr().out
    seconds = {
        line.split("|")[1].strip(): float(line.split("|")[3].replace(",", ""))
        for line in told.splitlines()
        if line.startswith(("| build_masks", "| find_scene_groups"))
    }
    assert set(seconds) == {"build_masks", "build_masks, again", "find_scene_groups", "find_scene_groups, again"}
    assert min(seconds.values()) > 0
    for part in ("masks on the surface", "propose", "encode_masks", "segment at a point", "objects"):
        assert f"| {part} |" in told


def test_watched_trainings_are_compared_by_their_last_steps(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    pytest.importorskip("viser", reason="the viewer's extra is not installed: pip install 'langfield[view]'")
    monkeypatch.syspath_prepend(str(FOLDER))
    import live_training  # pyright: ignore[reportMissingImports]

    assert live_training.training_events(tmp_path) == []
    seconds = {0: 0.0, 5: 9.0, 10: 10.0, 50: 20.0, 100: 40.0}
    events = [{"stage": "training", "done": done, "total": 100, "seconds": at} for done, at in seconds.items()]
    lines = [json.dumps(event) for event in [{"stage": "features"}, *events, {"stage": "lifting"}]]
    (tmp_path / "events.jsonl").write_text("\n".join(lines) + '\n{"stage": "half a li')
    assert live_training.training_events(tmp_path) == events
    assert live_training.steps_per_second(events) == pytest.approx(3)  # 90 steps in 30 s
    assert live_training.cpu_seconds(os.getpid()) > 0
    clock = live_training.CpuClock(os.getpid(), tmp_path)
    clock.start()
    clock.join(10)
    assert math.isnan(clock.ms_a_step)  # all steps were done before it first looked
    speeds = {"plain": [3.0, 4.0, 5.0], "moving": [3.7, 3.8, 3.9]}
    measured = [
        live_training.Measured(mode, speed, 10.0, 7, 320, "same") for mode, each in speeds.items() for speed in each
    ]
    told = live_training.told(measured)
    assert "| plain | 4.00 (3.00, 4.00, 5.00) | 0.0 % |" in told
    assert "| moving | 3.80 (3.70, 3.80, 3.90) | 5.3 % | 10.0 ms | 7 | 320 px |" in told
    assert {line.count("|") for line in told.splitlines()} == {7}
    rates, costs = (4.0, 3.8, 4.0, 3.6, 4.4), (10.0, 11.0, 10.0, 10.5, 10.0)
    windows = [{"steps_per_second": rate, "cpu_ms": cost} for rate, cost in zip(rates, costs, strict=True)]
    told = live_training.told_of_windows(windows)
    assert "| steps_per_second | 3.70 | 4.10 | 0.904 (0.857, 0.950) |" in told
    assert "| cpu_ms | 10.75 | 10.00 | 1.075 (1.050, 1.100) |" in told
    assert {line.count("|") for line in told.splitlines()} == {5}
