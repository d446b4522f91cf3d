"""The gsplat path without a GPU: a stand-in that draws with the reference, and gsplats that cannot be built."""

import os
import signal
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from tests.ops.test_rasterize import draw, random_scene, same, several, trainable, weighed

from langfield.core.cameras import Camera
from langfield.core.errors import UsageError
from langfield.core.progress import ProgressEvent
from langfield.methods.presets import PRESETS
from langfield.ops import gsplat_kernels, rasterize_reference
from langfield.ops import rasterize as rasterize_module
from langfield.ops.rasterize import rasterize_all
from langfield.stages import prepare_kernels

NAMES = ("gsplat", "gsplat.cuda", "gsplat.cuda._backend")


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


def stand_in(rasterization: Callable | None, kernels: object) -> None:
    package = ModuleType("gsplat")
    package.rasterization = rasterization  # pyright: ignore[reportAttributeAccessIssue]
    backend = ModuleType("gsplat.cuda._backend")
    backend._C = kernels  # pyright: ignore[reportAttributeAccessIssue]
    sys.modules.update(zip(NAMES, (package, ModuleType("gsplat.cuda"), backend), strict=True))


# Drawing


class Drawing:
    """A stand-in with the parameters of gsplat 1.5.3 that draws with the reference."""

    def __init__(self) -> None:
        self.asked = SimpleNamespace()

    def __call__(
        self, means, quats, scales, opacities, colors, viewmats, Ks, width, height, *,
        near_plane, eps2d, packed, render_mode, rasterize_mode, channel_chunk,
    ):  # fmt: skip
        self.asked.__dict__.update(near_plane=near_plane, eps2d=eps2d, packed=packed, chunk=channel_chunk)
        self.asked.views = len(viewmats)
        assert (render_mode, rasterize_mode) == ("RGB+D", "classic")
        assert all(x.dtype == torch.float32 and x.isfinite().all() for x in (means, quats, scales, opacities, colors))
        assert colors.shape[:2] == (len(viewmats), len(means))
        pictures, alphas, centres, radii = [], [], [], []
        for own, view, k in zip(colors, viewmats, Ks.tolist(), strict=True):
            pose = np.linalg.inv(view.double().numpy())
            camera = Camera(pose, width, height, k[0][0], k[1][1], k[0][2], k[1][2])
            picture = rasterize_reference.rasterize(means, quats, scales, opacities, own, camera, footprints=True)
            weighted = torch.where(picture.alpha > 0, picture.depth, 0) * picture.alpha
            pictures.append(torch.cat([picture.features, weighted[..., None]], dim=-1))
            alphas.append(picture.alpha[..., None])
            centres.append(picture.footprints.centres_px[0])
            radii.append(picture.footprints.radius_px[:, None].expand(-1, 2).int())
        self.centres_px = centres
        return (
            torch.stack(pictures),
            torch.stack(alphas),
            {"means2d": torch.stack(centres), "radii": torch.stack(radii)},
        )


@pytest.mark.parametrize("broken", [False, True])
def test_gsplat_is_asked_for_the_same_picture(broken: bool):
    drawing = Drawing()
    stand_in(drawing, object())
    gaussians, camera = random_scene(60, 5)
    if broken:
        for values in gaussians:
            values.view(60, -1)[::7, 0] = torch.nan
    ours, theirs = trainable(gaussians), trainable([x.float() for x in gaussians])
    (a,) = rasterize_module._by_gsplat(*ours[:4], ours[4][None], [camera], packed=True)
    b = draw(theirs, camera)
    assert vars(drawing.asked) == {"near_plane": 0.01, "eps2d": 0.3, "packed": True, "chunk": 33, "views": 1}
    same(a, b, 1e-4)
    weighed(a).backward()
    weighed(b).backward()
    for x, y in zip(ours, theirs, strict=True):
        assert x.grad is not None
        assert y.grad is not None
        assert (x.grad - y.grad).norm() <= 1e-3 * y.grad.norm()


def test_gsplat_draws_cameras_of_one_size_at_once_and_its_means_are_the_footprints():
    drawing = Drawing()
    stand_in(drawing, object())
    gaussians, cameras = several()
    ours, theirs = ([x.float() for x in (*gaussians[:4], gaussians[4][:2])] for _ in range(2))
    ours, theirs = trainable(ours), trainable(theirs)
    fast = rasterize_module._by_gsplat(*ours, cameras[:2], footprints=True)
    slow = rasterize_all(*theirs, cameras[:2], footprints=True)
    assert drawing.asked.views == 2
    assert drawing.asked.packed is False
    for a, b in zip(fast, slow, strict=True):
        same(a, b, 1e-4)
        assert a.footprints is not None
        assert b.footprints is not None
        assert torch.equal(a.footprints.radius_px, b.footprints.radius_px)
        assert a.footprints.size_px == b.footprints.size_px == (37, 21)
    # gsplat draws from the tensor that it gives back; the stand-in makes that one last.
    gradient = torch.rand(2, 40, 2, generator=torch.Generator().manual_seed(0))
    assert fast[0].footprints is not None
    (fast[0].footprints.centres_px * gradient).sum().backward()
    for a, own in zip(fast, gradient, strict=True):
        assert a.footprints is not None
        expected = (own * torch.tensor([37, 21]) / 2).norm(dim=-1)
        torch.testing.assert_close(a.footprints.slopes(), expected)


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
    gsplat_kernels.prepare(tmp_path / "log", say=said.append)
    assert not said
    assert not (tmp_path / "log").exists()


def test_only_gaussians_on_a_gpu_need_kernels(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setitem(sys.modules, "gsplat", None)
    for name, device in (("splat", "cpu"), ("lerf", "cuda"), ("lift", "cuda")):
        prepare_kernels(PRESETS[name], torch.device(device), tmp_path / "log", print, print)
    for name in ("splat", "splat-fast", "splat-quality"):
        with pytest.raises(UsageError, match="needs gsplat"):
            prepare_kernels(PRESETS[name], torch.device("cuda"), tmp_path / "log", print, print)


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
    gsplat_kernels.prepare(log, progress=told.append, say=said.append)
    assert said[0] == f"building gsplat's kernels: about 80 s on 16 cores, once on this machine; the log is {log}"
    assert said[1].startswith("gsplat's kernels are built, in ")
    assert "[3/3] nvcc file3.cu" in log.read_text()
    assert {event.stage for event in told} == {"kernels"}
    assert (told[-1].done, told[-1].total) == (3, 3)
    assert gsplat_kernels.load_gsplat().__name__ == "gsplat"
    assert capfd.readouterr().out == ""  # stdout is for answers
    gsplat_kernels.load_gsplat.cache_clear()
    del sys.modules["gsplat.cuda._backend"]
    gsplat_kernels.prepare(log, say=said.append)
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

    threading.Thread(target=press).start()
    with pytest.raises(KeyboardInterrupt):
        gsplat_kernels.prepare(log)
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
