"""The gsplat path without a GPU: a stand-in with gsplat's functions, and gsplats that cannot be built."""

import os
import signal
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.ops.gaussians.gaussian_scenes import draw, nothing_seen, random_scene, same, several, trainable, weighed
from tests.ops.gaussians.plain_gsplat import PlainGsplat, stand_in
from torch import Tensor

from langfield.core.errors import UsageError
from langfield.core.progress import ProgressEvent
from langfield.models.presets import PRESETS
from langfield.ops.gaussians import gsplat_kernels
from langfield.ops.gaussians.rasterize import blend_views, project
from langfield.ops.gaussians.well_formed import well_formed


@pytest.fixture(autouse=True)
def no_gsplat(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing of a gsplat that may be installed is loaded, before or after."""
    gsplat_kernels.load_gsplat.cache_clear()
    before = {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] == "gsplat"}
    yield
    gsplat_kernels.load_gsplat.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] == "gsplat"]:
        del sys.modules[name]
    sys.modules.update(before)


# Drawing


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> PlainGsplat:
    """A stand-in for gsplat, loaded. The Triton kernel that goes before it needs a GPU, too: its reference instead."""
    pytest.importorskip("triton")
    from langfield.ops.gaussians import rasterize_gsplat

    monkeypatch.setattr(rasterize_gsplat, "well_formed", well_formed)
    functions = PlainGsplat()
    stand_in(functions, object())
    return functions


@pytest.mark.parametrize("tile_px", [16, 8])
@pytest.mark.parametrize("broken", [False, True])
def test_gsplat_is_asked_for_the_same_picture(plain: PlainGsplat, broken: bool, tile_px: int):
    from langfield.ops.gaussians import rasterize_gsplat

    gaussians, camera = random_scene(60, 5)
    if broken:
        for values in gaussians:
            values.view(60, -1)[::7, 0] = torch.nan
    ours, theirs = trainable(gaussians), trainable([x.float() for x in gaussians])
    projected = rasterize_gsplat.project(*ours[:4], camera, features=ours[4], tile_px=tile_px)
    a, b = projected.splat(ours[4]), draw(theirs, camera)
    same(a, b, 1e-4)
    assert plain.channels == [6]
    weighed(a).backward()
    weighed(b).backward()
    assert_near_gradients(ours, theirs)


def assert_near_gradients(ours: list[Tensor], theirs: list[Tensor]) -> None:
    for x, y in zip(ours, theirs, strict=True):
        assert x.grad is not None
        assert y.grad is not None
        assert (x.grad - y.grad).norm() <= 1e-3 * y.grad.norm()


def test_gsplats_projection_is_drawn_again_and_without_some(plain: PlainGsplat):
    from langfield.ops.gaussians import rasterize_gsplat

    gaussians, camera = random_scene(60, 70, dtype=torch.float32)
    projected = rasterize_gsplat.project(*gaussians[:4], camera)
    reference = project(*gaussians[:4], camera)
    assert projected.count == 60
    assert projected.means2d is None
    for part in (gaussians[4], gaussians[4][:, :0]):
        same(projected.splat(part), reference.splat(part), 1e-4)
        for found, expected in zip(projected.blend(part), reference.blend(part), strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)
    assert plain.channels == [33, 33, 5, 33, 33, 4, 1, 1]
    torch.testing.assert_close(projected.contributions(), reference.contributions(), rtol=1e-3, atol=1e-3)
    assert torch.equal(projected.in_view(), reference.in_view())
    for kept in (torch.arange(1, 60, 3), torch.tensor([50, 7, 30, 8]), projected.in_view(), torch.arange(60)):
        part = gaussians[4][kept]
        same(projected.subset(kept).splat(part), reference.subset(kept).splat(part), 1e-4)
    assert projected.subset(torch.arange(1, 60, 3)).pairs < projected.pairs
    assert nothing_seen(projected.subset(torch.arange(0)).splat(gaussians[4][:0]))
    assert plain.views == [1]


@pytest.mark.parametrize("broken", [False, True])
@pytest.mark.parametrize("channels", [2, 40])
def test_gsplat_draws_cameras_of_one_size_at_once_and_says_where_gaussians_fall(
    plain: PlainGsplat, channels: int, broken: bool
):
    from langfield.ops.gaussians import rasterize_gsplat

    (*shape, features), cameras = several(channels=channels)
    cameras = [*cameras[:2], replace(cameras[0], world_from_camera=cameras[2].world_from_camera, cx_px=20.0)]
    if broken:
        for values in (*shape, *features):
            values.view(40, -1)[::7, 0] = torch.nan
    ours, theirs = (trainable([x.float() for x in (*shape, features)]) for _ in range(2))
    fast = rasterize_gsplat.blend_views(*ours, cameras, keep_means2d=True)
    slow = blend_views(*theirs, cameras, keep_means2d=True)
    assert plain.views == [3]
    assert plain.channels == ([2] if channels == 2 else [33, 7])
    torch.stack([weighed(picture) for picture in fast]).mean().backward()
    torch.stack([weighed(picture) for picture in slow]).mean().backward()
    assert_near_gradients(ours, theirs)
    for a, b in zip(fast, slow, strict=True):
        same(a, b, 1e-4)
        assert a.means2d is not None
        assert b.means2d is not None
        assert torch.equal(a.means2d.radii_px, b.means2d.radii_px)
        assert a.means2d.size_px == b.means2d.size_px == (37, 21)
        slopes = b.means2d.grad2d()
        assert slopes.any()
        assert (a.means2d.grad2d() - slopes).norm() <= 1e-3 * slopes.norm()
    assert [a.means2d and a.means2d.view for a in fast] == [0, 1, 2]


def test_gsplat_says_where_gaussians_fall_only_if_asked(plain: PlainGsplat):
    from langfield.ops.gaussians import rasterize_gsplat

    gaussians, cameras = several()
    gaussians = trainable([x.float() for x in (*gaussians[:4], gaussians[4][:2])])
    assert all(a.means2d is None for a in rasterize_gsplat.blend_views(*gaussians, cameras[:2]))
    with torch.no_grad():
        for a in rasterize_gsplat.blend_views(*gaussians, cameras[:2], keep_means2d=True):
            assert a.means2d is not None
            assert not a.means2d.grad2d().any()


# Kernels


def test_a_missing_gsplat_is_said_with_its_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setitem(sys.modules, "gsplat", None)
    assert not gsplat_kernels.installed()
    said = r"needs gsplat: pip install 'langfield\[gpu\]', or use --preset lerf or --device cpu"
    for call in (gsplat_kernels.load_gsplat, lambda: gsplat_kernels.prepare(tmp_path / "log")):
        with pytest.raises(UsageError, match=said):
            call()
    assert not (tmp_path / "log").exists()


def test_a_gsplat_without_kernels_is_said():
    stand_in(None, None)
    with pytest.raises(UsageError, match=r"gsplat has no kernels: install CUDA's compiler \(nvcc\)"):
        gsplat_kernels.load_gsplat()


def test_loaded_kernels_are_prepared_at_no_cost(tmp_path: Path):
    stand_in(None, object())
    said: list[str] = []
    gsplat_kernels.prepare(tmp_path / "log", log=said.append)
    assert not said
    assert not (tmp_path / "log").exists()


def test_only_gaussians_on_a_gpu_need_kernels(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setitem(sys.modules, "gsplat", None)
    for name, device in (("splat", "cpu"), ("lerf", "cuda"), ("lift", "cuda")):
        PRESETS[name].config.prepare_device(torch.device(device), tmp_path / "log", print, print)
    for name in ("splat", "splat-fast", "splat-quality"):
        with pytest.raises(UsageError, match="needs gsplat"):
            PRESETS[name].config.prepare_device(torch.device("cuda"), tmp_path / "log", print, print)


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], Path]:
    """Write a gsplat whose kernels are made by the given code, found by this process and those that it starts."""
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", str(tmp_path / "extensions"))
    monkeypatch.syspath_prepend(str(tmp_path / "site"))

    def write(code: str) -> Path:
        folder = tmp_path / "site" / "gsplat" / "cuda"
        folder.mkdir(parents=True)
        (folder.parent / "__init__.py").write_text("")
        (folder / "__init__.py").write_text("")
        (folder / "_backend.py").write_text(textwrap.dedent(code))
        return tmp_path / "run" / "gsplat-build.log"

    return write


BUILDS = """
    import os, pathlib, time
    built = pathlib.Path(os.environ["TORCH_EXTENSIONS_DIR"], "gsplat_cuda", "gsplat_cuda.so")
    if not built.is_file():
        assert os.environ["VERBOSE"] == "1"
        for done in range(1, 4):
            print(f"[{done}/3] nvcc file{done}.cu", flush=True)
            time.sleep(0.3)
        built.parent.mkdir(parents=True, exist_ok=True)
        built.write_text("")
    print("gsplat: CUDA extension has been set up")
    _C = object()
"""


def test_kernels_are_built_once_with_a_log(written: Callable[[str], Path], capfd: pytest.CaptureFixture[str]):
    log = written(BUILDS)
    said: list[str] = []
    told: list[ProgressEvent] = []
    gsplat_kernels.prepare(log, progress=told.append, log=said.append)
    assert said[0] == f"building gsplat's kernels: about 80 s on 16 cores, once on this machine; the log is {log}"
    assert said[1].startswith("gsplat's kernels are built, in ")
    assert "[3/3] nvcc file3.cu" in log.read_text()
    assert {event.stage for event in told} == {"kernels"}
    assert (told[-1].done, told[-1].total) == (3, 3)
    assert gsplat_kernels.load_gsplat().__name__ == "gsplat"
    assert capfd.readouterr().out == ""  # stdout is for answers
    gsplat_kernels.load_gsplat.cache_clear()
    del sys.modules["gsplat.cuda._backend"]
    gsplat_kernels.prepare(log, log=said.append)
    assert len(said) == 2


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (
            "_C = None",
            "install CUDA's compiler (nvcc) to build them, or use --preset lerf or --device cpu; the log says",
        ),
        (
            "raise RuntimeError('Error building extension')",
            "building gsplat's kernels failed (RuntimeError: Error building extension); the log says more; mend that, "
            "or use --preset lerf or --device cpu",
        ),
        ("import os; os._exit(9)", "building gsplat's kernels failed (it said nothing); the log says more"),
    ],
)
def test_a_build_that_fails_is_one_line_with_its_log(written: Callable[[str], Path], code: str, message: str):
    log = written(code)
    with pytest.raises(UsageError) as caught:
        gsplat_kernels.prepare(log)
    assert str(caught.value).startswith(f"{log}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert log.is_file()


def test_a_log_that_cannot_be_written_is_said(written: Callable[[str], Path]):
    log = written(BUILDS)
    log.mkdir(parents=True)
    with pytest.raises(UsageError, match="kernels cannot be built: Is a directory"):
        gsplat_kernels.prepare(log)


def test_compilers_end_with_ctrl_c(written: Callable[[str], Path], tmp_path: Path):
    log = written(f"""
        import os, pathlib, time
        pathlib.Path({str(tmp_path / "pid")!r}).write_text(str(os.getpid()))
        time.sleep(60)
    """)
    pid = tmp_path / "pid"

    def press() -> None:
        while not pid.is_file() or not pid.read_text():
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it otherwise
    try:
        threading.Thread(target=press).start()
        with pytest.raises(KeyboardInterrupt):
            gsplat_kernels.prepare(log)
    finally:
        signal.signal(signal.SIGINT, before)
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


def test_a_broken_gsplat_says_what_is_wrong(written: Callable[[str], Path]):
    written("import a_module_that_is_not_there")
    with pytest.raises(UsageError, match="gsplat does not load: No module named 'a_module_that_is_not_there'"):
        gsplat_kernels.load_gsplat()


def test_ninja_is_found_beside_the_interpreter(written: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", "/usr/bin")
    log = written("import os, sys; _C = os.path.dirname(sys.executable) in os.environ['PATH'].split(':') or None")
    gsplat_kernels.prepare(log)
    assert os.environ["PATH"] == "/usr/bin"
