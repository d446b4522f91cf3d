"""Feed damaged files to all readers: each must return, or give a DataError of one line, soon and in little memory.

python benchmarks/fuzz_readers.py --seconds 3600 --jobs 2 [--out found.json] [--readers SPZ PLY]
python benchmarks/fuzz_readers.py --case 12345            the one input of this number again, with its traceback

Each input follows from its number alone. Workers read; this process watches them: one that takes longer than
`--hang-s` for an input, or that dies, is a failure with that input's number, and another goes on behind it.
"""

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT))  # for `tests`, whose writers make the sound files

MEMORY_BYTES = 2 << 30
MOST_ADDRESSES_BYTES = 8 << 30  # beyond what a worker begins with; memory that was asked for but not used counts here
SLOW_S = 15.0  # the largest pictures that are read whole, of 89 megapixels, take some seconds
PAGE_BYTES = resource.getpagesize()
KILOBYTE = 1024
IN_MEMORY = Path("/dev/shm")  # files there are written a hundred times faster than on a disk


@dataclass
class Counts:
    """What happened to the inputs of one reader."""

    inputs: int = 0
    read: int = 0
    refused: int = 0
    slowest_s: float = 0.0
    failures: list[dict[str, Any]] = field(default_factory=list)

    def add(self, other: "Counts") -> None:
        self.inputs += other.inputs
        self.read += other.read
        self.refused += other.refused
        self.slowest_s = max(self.slowest_s, other.slowest_s)
        self.failures += other.failures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first input")
    parser.add_argument("--readers", nargs="*", default=[], help="only these; numbers mean others then")
    parser.add_argument("--hang-s", type=float, default=30.0)
    parser.add_argument("--case", type=int, help="read the input of this number, and show what happens")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--worker", nargs=2, metavar=("FOLDER", "JOB"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        work(Path(arguments.worker[0]), int(arguments.worker[1]), arguments)
    elif arguments.case is not None:
        show(arguments.case, arguments.readers)
    else:
        sys.exit(1 if watch(arguments) else 0)


def watch(arguments: argparse.Namespace) -> bool:
    """Run the workers until the time is over and print what they found; whether there were failures."""
    end = time.monotonic() + arguments.seconds
    counts: dict[str, Counts] = {}
    peak = 0
    with tempfile.TemporaryDirectory(dir=IN_MEMORY if IN_MEMORY.is_dir() else None) as folder:
        workers = [Watched(Path(folder), job, arguments, arguments.first + job) for job in range(arguments.jobs)]
        while time.monotonic() < end or any(worker.process.poll() is None for worker in workers):
            time.sleep(0.2)
            for worker in workers:
                worker.look(end)
        for worker in workers:
            for name, found in worker.counts.items():
                counts.setdefault(name, Counts()).add(found)
            peak = max(peak, worker.peak_bytes)
    failed = report(counts, peak, arguments.seconds)
    if arguments.out:
        found = {name: asdict(found) for name, found in counts.items()}
        arguments.out.write_text(
            json.dumps({"seconds": arguments.seconds, "peak_bytes": peak, "readers": found}, indent=1)
        )
    return failed


class Watched:
    """A worker, started again behind the input that it hangs at or dies of."""

    def __init__(self, folder: Path, job: int, arguments: argparse.Namespace, first: int) -> None:
        self.counts: dict[str, Counts] = {}
        self.peak_bytes = 0
        self._folder, self._job, self._arguments = folder, job, arguments
        self._end = time.monotonic() + arguments.seconds
        self._runs = 0
        self._start(first)

    def _start(self, first: int) -> None:
        self._here = self._folder / f"{self._job}_{self._runs}"
        self._here.mkdir()
        self._runs += 1
        left = max(self._end - time.monotonic(), 0.0)
        options = ["--seconds", str(left), "--jobs", str(self._arguments.jobs), "--first", str(first)]
        options += ["--readers", *self._arguments.readers] if self._arguments.readers else []
        command = [sys.executable, __file__, *options, "--worker", str(self._here), str(self._job)]
        self.process = subprocess.Popen(command, cwd=ROOT)
        self._seen, self._seen_at = "", time.monotonic()

    def look(self, end: float) -> None:
        """Collect what the worker has written; start it again if it hangs or has died."""
        where, code = _text(self._here / "now"), self.process.poll()
        if where != self._seen:
            self._seen, self._seen_at = where, time.monotonic()
        hangs = bool(where) and code is None and time.monotonic() - self._seen_at > self._arguments.hang_s
        if code is None and not hangs:
            return
        if hangs:
            self.process.kill()
            self.process.wait()
        self._collect()
        if code == 0:
            return
        number, name = where.split(" ", 1) if where else ("-1", "start")
        what = f"hangs for more than {self._arguments.hang_s:g} s" if hangs else f"the worker died ({code})"
        found = self.counts.setdefault(name, Counts())
        found.inputs += 1
        found.failures.append({"case": int(number), "reader": name, "what": what})
        if where and time.monotonic() < end:
            self._start(int(number) + self._arguments.jobs)

    def _collect(self) -> None:
        text = _text(self._here / "counts.json")
        if text:
            found = json.loads(text)
            self.peak_bytes = max(self.peak_bytes, found["peak_bytes"])
            for name, values in found["readers"].items():
                self.counts.setdefault(name, Counts()).add(Counts(**values))
            (self._here / "counts.json").unlink()


def work(folder: Path, job: int, arguments: argparse.Namespace) -> None:
    """Read inputs until the time is over; what happens is written to `folder` all the while."""
    from fuzz_targets import targets

    found = chosen(targets(folder / "files"), arguments.readers)
    sound = [target.path.read_bytes() for target in found]
    limit_memory()
    warnings.simplefilter("ignore")  # Pillow's, of damaged tags
    counts: dict[str, Counts] = {}
    end, written = time.monotonic() + arguments.seconds, 0.0
    number = arguments.first
    while time.monotonic() < end:
        at = which(number, len(found))
        (folder / "now").write_text(f"{number} {found[at].name}")
        count(counts.setdefault(found[at].name, Counts()), number, *outcome(number, found[at], sound[at]))
        found[at].path.write_bytes(sound[at])
        number += arguments.jobs
        if time.monotonic() - written > 1:
            write_counts(folder, counts)
            written = time.monotonic()
    write_counts(folder, counts)


def outcome(number: int, target: Any, sound: bytes) -> tuple[str, str, float]:
    """What a reader does with the input of a number ("read", "refused" or "failure"), why it failed, and seconds."""
    from fuzz_mutations import mutated
    from langfield.core.errors import DataError

    target.path.write_bytes(mutated(sound, random.Random(number), target.others))
    before, start = peak_bytes(), time.perf_counter()
    kind, why = "read", ""
    try:
        target.read()
    except DataError as error:
        kind = "refused"
        if not str(error).isprintable():
            kind, why = "failure", f"an error of more than one line: {ascii(str(error))[:300]}"
        if ran_out_of_memory(error):
            kind, why = "failure", "runs out of memory"
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        kind, why = "failure", f"{type(error).__name__}: {error} ({Path(place.filename).name}:{place.lineno})"[:300]
    seconds = time.perf_counter() - start
    if kind != "failure" and seconds > SLOW_S:
        kind, why = "failure", f"took {seconds:.1f} s"
    if kind != "failure" and peak_bytes() > max(before, MEMORY_BYTES):
        kind, why = "failure", f"took {peak_bytes() / 2**20:.0f} MB of memory"
    return kind, why, seconds


def count(counts: Counts, number: int, kind: str, why: str, seconds: float) -> None:
    counts.inputs += 1
    counts.read += kind == "read"
    counts.refused += kind == "refused"
    counts.slowest_s = max(counts.slowest_s, seconds)
    if kind == "failure":
        counts.failures.append({"case": number, "what": why})


def show(number: int, readers: list[str]) -> None:
    """Read one input, with everything that is raised; the damaged file is left beside for a look."""
    from fuzz_mutations import mutated
    from fuzz_targets import targets

    found = chosen(targets(Path(tempfile.mkdtemp()) / "files"), readers)
    target = found[which(number, len(found))]
    target.path.write_bytes(mutated(target.path.read_bytes(), random.Random(number), target.others))
    print(f"{target.name}: {target.path}")
    limit_memory()
    start = time.perf_counter()
    try:
        print(repr(target.read())[:500])
    finally:
        print(f"{time.perf_counter() - start:.2f} s, {peak_bytes() / 2**20:.0f} MB")


def which(number: int, choices: int) -> int:
    """The reader that the input of a number is for."""
    return random.Random(f"reader {number}").randrange(choices)


def chosen(found: list[Any], readers: list[str]) -> list[Any]:
    return [target for target in found if not readers or target.name in readers]


def limit_memory() -> None:
    """Keep a reader that runs away from the machine's last byte."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * PAGE_BYTES + MOST_ADDRESSES_BYTES,) * 2)


def ran_out_of_memory(error: BaseException | None) -> bool:
    """Whether an error was caused by a MemoryError."""
    while error is not None:
        if isinstance(error, MemoryError):
            return True
        error = error.__cause__ or error.__context__
    return False


def peak_bytes() -> int:
    """The most memory that this process had at once."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KILOBYTE


def write_counts(folder: Path, counts: dict[str, Counts]) -> None:
    document = {"peak_bytes": peak_bytes(), "readers": {name: asdict(found) for name, found in counts.items()}}
    (folder / "new.json").write_text(json.dumps(document))
    (folder / "new.json").replace(folder / "counts.json")


def report(counts: dict[str, Counts], peak: int, seconds: float) -> bool:
    total = Counts()
    print(f"{'reader':24}{'inputs':>10}{'read':>10}{'refused':>10}{'failed':>8}{'slowest':>10}")
    for name in sorted(counts):
        found = counts[name]
        total.add(found)
        print(_row(name, found))
    print(_row("all", total))
    print(f"{seconds:.0f} s, at most {peak / 2**20:.0f} MB")
    for name in sorted(counts):
        for failure in counts[name].failures:
            print(f"FAILED {name}: case {failure['case']}: {failure['what']}")
    return bool(total.failures)


def _row(name: str, found: Counts) -> str:
    slowest = f"{1000 * found.slowest_s:.0f} ms"
    return f"{name:24}{found.inputs:>10,}{found.read:>10,}{found.refused:>10,}{len(found.failures):>8}{slowest:>10}"


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


if __name__ == "__main__":
    main()
