"""gsplat's CUDA kernels: they come as source and are compiled on a machine's first use, which takes minutes.

`prepare` does that where a person can see it, and keeps the compiler's log; `load_gsplat` gives the module with its
kernels.
"""

import contextlib
import importlib
import importlib.util
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from langfield.core.errors import UsageError
from langfield.core.progress import Progress, ProgressEvent, silent

_BACKEND = "gsplat.cuda._backend"
_OTHERWISE = "use --preset lerf or --device cpu"
_NEEDS_GSPLAT = f"drawing Gaussians on a GPU needs gsplat: pip install 'langfield[gpu]', or {_OTHERWISE}"
_NEEDS_NVCC = f"gsplat has no kernels: install CUDA's compiler (nvcc) to build them, or {_OTHERWISE}"
_NO_COMPILER = 3  # exit status of the build where nothing could be compiled
_BUILD = f"import sys, {_BACKEND} as backend; sys.exit({_NO_COMPILER} if backend._C is None else 0)"
_LOOK_EVERY_S = 0.5
_FILE_OF = re.compile(rb"^\[(\d+)/(\d+)\]", re.MULTILINE)  # how ninja counts what it compiles


def installed() -> bool:
    """Whether gsplat is there, kernels or not."""
    try:
        return importlib.util.find_spec("gsplat") is not None
    except ValueError:  # a module without a spec
        return True


def prepare(build_log: Path, *, progress: Progress = silent, log: Callable[[str], None] = lambda line: None) -> None:
    """Have gsplat's kernels, compiled now if they are not yet. Costs nothing where they are loaded already.

    Args:
        build_log: file for the compiler's output, if it is called.
        progress: gets the stage "kernels".
        log: gets lines for people.

    Raises:
        UsageError: no gsplat, no compiler, or one that failed; it names the log and what else can be done.
    """
    if not installed():
        raise UsageError(_NEEDS_GSPLAT)
    if not _built():
        log(f"building gsplat's kernels: about 80 s on 16 cores, once on this machine; the log is {build_log}")
        start = time.monotonic()
        _build(build_log, progress)
        log(f"gsplat's kernels are built, in {time.monotonic() - start:.0f} s")
    load_gsplat()


@cache
def load_gsplat() -> Any:
    """The module gsplat, with its kernels; built on first use where no built ones came with it.

    Raises UsageError where that cannot be.
    """
    try:
        # gsplat prints what it does; stdout is for answers.
        with contextlib.redirect_stdout(sys.stderr), _ninja_in_path():
            gsplat = importlib.import_module("gsplat")
            kernels = importlib.import_module(_BACKEND)
    except ImportError as error:
        raise UsageError(
            _NEEDS_GSPLAT if not installed() else f"gsplat does not load: {error}; {_OTHERWISE}"
        ) from error
    except (RuntimeError, OSError, subprocess.SubprocessError) as error:  # what torch raises for a failed compiler
        raise UsageError(f"gsplat's kernels cannot be built: {_first_line(str(error))}; {_OTHERWISE}") from error
    if getattr(kernels, "_C", None) is None:
        raise UsageError(_NEEDS_NVCC)
    return gsplat


def _built() -> bool:
    """Whether kernels came with gsplat, or were compiled on this machine before."""
    loaded = sys.modules.get(_BACKEND)
    if loaded is not None:
        return getattr(loaded, "_C", None) is not None
    try:
        if importlib.util.find_spec("gsplat.csrc") is not None:
            return True
        from torch.utils import cpp_extension

        # gsplat asks the same function of torch's where to build.
        folder = Path(cpp_extension._get_build_directory("gsplat_cuda", verbose=False))
    except (ImportError, OSError):
        return False
    return any((folder / f"gsplat_cuda.{ending}").is_file() for ending in ("so", "lib", "pyd"))


def _build(log: Path, progress: Progress) -> None:
    """Compile in a process of its own: what compilers print goes to the log, and if they die, they die alone."""
    environment = {"VERBOSE": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as out, _ninja_in_path():
            build = subprocess.Popen(
                [sys.executable, "-c", _BUILD],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=os.environ | environment,
                start_new_session=True,  # so that compilers go with it
            )
    except OSError as error:
        raise UsageError(f"gsplat's kernels cannot be built: {error.strerror}; {_OTHERWISE}", log) from error
    start = time.monotonic()
    try:
        while build.poll() is None:
            done, total = _compiled(log)
            progress(ProgressEvent("kernels", done, total, "files", time.monotonic() - start))
            with contextlib.suppress(subprocess.TimeoutExpired):
                build.wait(_LOOK_EVERY_S)
    finally:
        if build.poll() is None:
            os.killpg(build.pid, signal.SIGKILL)
            build.wait()
    if build.returncode == _NO_COMPILER:
        raise UsageError(f"{_NEEDS_NVCC}; the log says more", log)
    if build.returncode:
        said = _last_line(log)
        raise UsageError(
            f"building gsplat's kernels failed ({said}); the log says more; mend that, or {_OTHERWISE}", log
        )
    total = _compiled(log)[1]
    progress(ProgressEvent("kernels", total, total, "files", time.monotonic() - start))


@contextlib.contextmanager
def _ninja_in_path() -> Iterator[None]:
    """ninja, which torch calls even for what is compiled, lies beside the interpreter: in no PATH where its environment
    is not activated."""
    before = os.environ.get("PATH", "")
    os.environ["PATH"] = os.pathsep.join(filter(None, [before, str(Path(sys.executable).parent)]))
    try:
        yield
    finally:
        os.environ["PATH"] = before


def _compiled(log: Path) -> tuple[int, int]:
    """How many files are compiled of how many, as far as the log says."""
    found = _FILE_OF.findall(log.read_bytes())
    return (int(found[-1][0]), int(found[-1][1])) if found else (0, 1)


def _last_line(log: Path) -> str:
    lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return lines[-1][:200] if lines else "it said nothing"


def _first_line(text: str) -> str:
    return (text.strip().splitlines() or ["no reason given"])[0][:200]
