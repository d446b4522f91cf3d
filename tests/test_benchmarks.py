"""The benchmarks of Gaussians run on a CPU, on next to nothing, and what they find can be drawn. No figure is checked:
only a GPU has one."""

import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from tests.data.scenes import write_ball_scene

FOLDER = Path(__file__).parents[1] / "benchmarks"


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


@pytest.fixture
def plots(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(FOLDER))
    import plots  # pyright: ignore[reportMissingImports]

    return plots


def test_relevancy(benchmark, plots: ModuleType, capsys: pytest.CaptureFixture[str]):
    found = benchmark("relevancy")
    assert [(row["gaussians"], row["phrases"]) for row in found["known"]] == [(300, 1), (300, 3), (600, 1), (600, 3)]
    for row in found["known"]:
        assert row["pairs"] > row["pairs_lit"] > 0
        assert row["fixed_ms"] > row["floor_ms"] > 0
        assert row["pictures_per_s"] == pytest.approx(row["phrases"] * 1e3 / row["fixed_ms"])
    assert found["new_phrase"]["text_and_picture_ms"] > found["new_phrase"]["text_ms"] > 0
    assert "Known phrases" in capsys.readouterr().out
    made = plots.plots(found)
    assert set(made) == {"relevancy_gaussians", "relevancy_phrases"}
    for plot in made.values():
        assert np.asarray(plots.drawn(plot)).std() > 10


def test_lifting(benchmark, plots: ModuleType):
    found = benchmark("lifting")
    rows = [(row["photos"], row["levels"]) for row in found["lifting"]]
    assert rows == [(2, 1), (2, 2), (3, 2)]
    assert all(row["seconds"] > 0 for row in found["lifting"])
    assert set(plots.plots(found)) == {"lifting_photos", "lifting_levels"}


def test_training(benchmark, plots: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    scene = tmp_path / "balls"
    write_ball_scene(scene, n_views=9, width_px=32, height_px=24, n_points=200)
    settings = ("--set", "gaussians.capacity=400", "growth.start=4", "growth.every=4", "--every", "4")
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


def test_training_on_several_photos_and_by_slopes(benchmark, tmp_path: Path):
    scene = tmp_path / "balls"
    write_ball_scene(scene, n_views=5, width_px=32, height_px=24, n_points=200)
    settings = ("--set", "gaussians.capacity=400", "growth.start=1", "growth.every=2", "half_size_until=2")
    presets = ("--presets", "splat-fast", "splat-classic")
    found = benchmark("training", str(scene), *presets, *settings, "--max-steps", "5", "--every", "5")
    assert [row["steps"] for row in found["rows"]] == [5, 5]
    fast, classic = (found["presets"][name]["config"] for name in presets[1:])
    assert (fast["photos_per_step"], classic["photos_per_step"]) == (4, 1)
    for splat in found["presets"].values():
        assert splat["config"]["growth"]["every"] == 2
        assert splat["parts_ms"]["project and rasterise"] > 0


def test_axes_put_values_in_order_and_ticks_within(plots: ModuleType):
    for logarithmic, values in (
        (True, [0.03, 2.0, 70.0]),
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
