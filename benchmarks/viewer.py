"""The viewer from outside: how soon it shows something, how soon a typed phrase is seen, and many clients for a while.

    python benchmarks/viewer.py RUN [--minutes 10] [--clients 10] [--width 1920 --height 1080] [--phrases mug banana]

It starts `langfield view` on a copy of RUN that nobody has asked yet, whose scene's index is still to be made, and
speaks viser's protocol to it (`tests/viewer/clients.py`), without a browser.
Prints one JSON object: seconds to the link, to the preview that the run's folder holds, to the first picture that is
drawn now and the page's controls, until phrases are answered at once; milliseconds from a phrase to the first picture
with its colours, and to the sharpest one; and of the clients how many actions and pictures there were, answers that
were not those of one client alone, and the server's memory each half minute.
"""

import argparse
import asyncio
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.viewer.clients import Page

from langfield.runs.directory import INDEX
from langfield.viewer.access import Access


@dataclass
class Reached:
    """Where a viewer is."""

    access: Access


def resident_mb(pid: int) -> float:
    """Memory of a process, in MB."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


async def memory_mb(pid: int) -> list[int]:
    """Memory of a process each half minute, until this is cancelled."""
    samples = []
    try:
        while True:
            samples.append(round(resident_mb(pid)))
            await asyncio.sleep(30)
    except asyncio.CancelledError:
        return samples


def presences(page: Page) -> list[str]:
    """What the page says of each phrase."""
    return re.findall(r"presence (\d\.\d\d)", page.text)


@asynccontextmanager
async def opened(viewer: Reached, size: tuple[int, int]) -> AsyncIterator[Page]:
    """A client whose page is complete and shows something: a preview comes before the inputs."""
    client = Page(viewer)
    client.size_px = size
    async with client as page:
        await page.until(lambda: {"Find", "Layer", "Hide"} <= set(page.labels) and page.pictures, 600)
        yield page


async def phrase_ms(page: Page, phrases: list[str]) -> tuple[list[float], list[float]]:
    """Milliseconds from each phrase to the first picture after its answer, and to the last one."""
    first, last = [], []
    for phrase in phrases:
        await page.settle(2)
        before, start = len(page.pictures), time.perf_counter()
        await page.ask(phrase)
        await page.until(lambda phrase=phrase: f"</span>{phrase}</span>" in page.text, 600)
        await page.until(lambda before=before: len(page.pictures) > before, 600)
        first.append(1000 * (time.perf_counter() - start))
        await page.settle(2)
        last.append(1000 * (page.pictured_at - start))
    return first, last


async def act(
    viewer: Reached, size: tuple[int, int], alone: dict[str, list[str]], until: float, seed: int
) -> list[int]:
    """A client that does things at random. Returns actions, pictures and wrong answers."""
    random_ = random.Random(seed)
    actions = pictures = wrong = 0
    while time.monotonic() < until:
        async with opened(viewer, size) as page:
            for _ in range(random_.randint(5, 40)):
                if time.monotonic() > until:
                    break
                choice, actions = random_.random(), actions + 1
                if choice < 0.3:
                    phrase = random_.choice(list(alone))
                    await page.ask(phrase)
                    await page.until(lambda page=page, phrase=phrase: f"</span>{phrase}</span>" in page.text, 600)
                    wrong += presences(page) != alone[phrase]
                elif choice < 0.7:
                    x, y, z = page.position
                    await page.move(position=[x + random_.gauss(0, 0.05), y, z + random_.gauss(0, 0.05)])
                elif choice < 0.8:
                    await page.set("Layer", random_.choice(["Picture", "Composited", "Relevancy", "Depth"]))
                elif choice < 0.9:
                    await page.set("Hide", random_.choice(["Nothing", "Scene"]))
                else:
                    await page.click(random_.random(), random_.random())
                await asyncio.sleep(random_.random())
            pictures += len(page.pictures)
    return [actions, pictures, wrong]


async def measure(viewer: Reached, options: argparse.Namespace, pid: int, ready: float) -> dict[str, object]:
    size = (options.width, options.height)
    alone = {}
    async with opened(viewer, size) as page:
        first, last = await phrase_ms(page, options.phrases)
        for phrase in options.phrases:
            await page.ask(phrase)
            await page.until(lambda page=page, phrase=phrase: f"</span>{phrase}</span>" in page.text, 600)
            alone[phrase] = presences(page)
    until = time.monotonic() + 60 * options.minutes
    memory = asyncio.create_task(memory_mb(pid))
    done = await asyncio.gather(*(act(viewer, size, alone, until, seed) for seed in range(options.clients)))
    memory.cancel()
    samples = (await asyncio.gather(memory, return_exceptions=True))[0]
    return {
        "seconds_until_ready": round(ready, 2),
        "phrase_to_first_picture_ms": [round(ms) for ms in first],
        "phrase_to_sharpest_picture_ms": [round(ms) for ms in last],
        "clients": options.clients,
        "minutes": options.minutes,
        "actions": sum(one[0] for one in done),
        "pictures": sum(one[1] for one in done),
        "wrong_answers": sum(one[2] for one in done),
        "memory_mb": samples,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--clients", type=int, default=10)
    parser.add_argument("--width", type=int, default=1920)
    parser.add_argument("--height", type=int, default=1080)
    parser.add_argument("--phrases", nargs="+", default=["mug", "banana", "something to drink from"])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        unasked = shutil.copytree(options.run, Path(folder) / "run", ignore=shutil.ignore_patterns(INDEX))
        print(json.dumps(measured(unasked, options)))


def measured(run: Path, options: argparse.Namespace) -> dict[str, object]:
    """What is printed, of a run."""
    command = [sys.executable, "-m", "langfield", "view", str(run), "--port", "0", "--no-progress"]
    start = time.perf_counter()
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert server.stderr is not None
    try:
        link = server.stderr.readline().removeprefix("open ").strip()
        to_link = time.perf_counter() - start
        parts = urlsplit(link)
        access = Access(parts.query.removeprefix("token="), "127.0.0.1", parts.port or 0)

        async def first_pictures() -> tuple[float, float]:
            client = Page(Reached(access))
            client.size_px = (options.width, options.height)
            async with client as page:
                await page.until(lambda: any(one is not None for one in page.pictures), 600)
                preview = time.perf_counter() - start
                await page.until(lambda: "Find" in page.labels, 600)  # it comes after the picture
                return preview, time.perf_counter() - start

        to_preview, to_picture = asyncio.run(first_pictures())
        while server.stderr.readline().strip() != "ready":
            pass
        result = asyncio.run(measure(Reached(access), options, server.pid, time.perf_counter() - start))
        server.terminate()
        _, said = server.communicate(timeout=60)
    finally:
        server.kill()
    seconds = {
        "seconds_to_link": round(to_link, 2),
        "seconds_to_preview": round(to_preview, 2),
        "seconds_to_first_picture": round(to_picture, 2),
    }
    return seconds | result | {"exit_code": server.returncode, "server_said": said.strip()}


if __name__ == "__main__":
    main()
