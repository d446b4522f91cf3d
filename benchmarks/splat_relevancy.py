"""How fast Gaussians answer: public calls whole, and the kernels that they are made of; see `splats.py`."""

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import replace
from itertools import count as count_from
from itertools import cycle
from pathlib import Path

import torch

from langfield.encoders.registry import load_image_text
from langfield.models.gaussians.splat import Splat
from langfield.models.gaussians.view import SplatView
from langfield.models.relevancy import EncodedPhrases
from langfield.ops.sparse_relevancy import sparse_relevancy
from measuring import latency_ms, milliseconds, peak_memory, table
from public_calls import HEADER, call_times, made_run, told
from splat_scenes import EMBED_DIM, made_splat, orbit

PIXELS = (1440, 1080)
# Instructions of one Gaussian at one pixel until its alpha is known, counted in the source of a rasteriser.
_ALPHA_INSTRUCTIONS = 14
_HARDWARE = {"H100": 132 * 128 * 1.755e6, "H200": 132 * 128 * 1.98e6}  # float32 instructions a millisecond


def measure(options: argparse.Namespace, device: torch.device, machine: dict) -> dict:
    size = (96, 72) if options.small else PIXELS
    counts = [300, 600] if options.small else options.gaussians
    phrase_counts = [1, 3] if options.small else options.phrases
    rows = []
    for count in counts:
        model = made_splat(count, device)
        memory: dict[str, float] = {}
        with torch.no_grad(), peak_memory(device, memory):
            scene = _scene_figures(model, size, device, machine)
            for phrases in phrase_counts:
                row = scene | {"phrases": phrases} | _phrase_figures(model, size, phrases, device, machine)
                rows.append(row)
        rows[-1] |= memory
        del model
    new, public = _new_phrase(options, size, device), _public_calls(options, size, device)
    _tell(rows, new, size)
    _tell_public(public, size)
    return {"size": size, "public": public, "known": rows, "new_phrase": new}


def _public_calls(options: argparse.Namespace, size: tuple[int, int], device: torch.device) -> list[dict]:
    """`public_calls.call_times` of made runs, every frame of a moving camera a new one."""
    repeats, encoder = (2, "builtin:mini") if options.small else (20, options.encoder)
    rows = []
    for count in [300] if options.small else options.gaussians:
        memory: dict[str, float] = {}
        with tempfile.TemporaryDirectory() as folder, peak_memory(device, memory):
            session = made_run(Path(folder) / "run", count, encoder, device, (64, 48) if options.small else (640, 480))
            cameras = orbit(3 * (repeats + 1) + 1, *size)
            rows.append({"gaussians": count, **call_times(session, cameras, "wooden spoon", repeats), **memory})
        del session
    return rows


def asked(count: int, device: torch.device) -> EncodedPhrases:
    generator = torch.Generator().manual_seed(count)
    unit = [torch.nn.functional.normalize(torch.randn(n, EMBED_DIM, generator=generator), dim=-1) for n in (count, 4)]
    return EncodedPhrases(tuple(map(str, range(count))), unit[0].to(device), unit[1].to(device), 10.0)


def _scene_figures(model: Splat, size: tuple[int, int], device: torch.device, machine: dict) -> dict[str, float]:
    """What does not depend on the phrases: projecting, sorting, and how much there is to draw."""
    camera = orbit(8, *size)[0]
    projection = model.project(camera)
    contributing = projection.contributing()
    found = {
        "gaussians": model.gaussians.count,
        "in_view": len(projection.in_view()),
        "contributing": len(contributing),
        "pairs": projection.undistorted.pairs,
        "pairs_contributing": projection.subset(contributing).undistorted.pairs,
        "look_ms": milliseconds(lambda: model.project(camera), device),
        "contributing_ms": milliseconds(lambda: projection.subset(projection.contributing()), device),
    }
    if device.type == "cuda":
        from langfield.ops.gaussians import rasterize_gsplat

        seen = projection.undistorted
        assert isinstance(seen, rasterize_gsplat.GsplatProjectedGaussians)
        parts = seen.tiled.gaussians, seen.tiled.size_px, seen.tiled.tile_px
        found["sort_ms"] = milliseconds(lambda: rasterize_gsplat.sort_into_tiles(*parts), device)
        found["project_ms"] = found["look_ms"] - found["sort_ms"]
    return found | _stage_floors(found, model, size, machine)


def _stage_floors(found: dict[str, float], model: Splat, size: tuple[int, int], machine: dict) -> dict[str, float]:
    """Bytes that the stages move at least as they are, over the copy's bandwidth. Projecting reads 11 numbers of each
    Gaussian and writes 8; sorting reads 5, counts, and moves keys of 8 bytes with 4 of payload once for 8 bits."""
    tiles = -(-size[0] // 16) * -(-size[1] // 16)
    passes = -(-(32 + tiles.bit_length() + 1) // 8)
    count, pairs = found["gaussians"], found["pairs"]
    language = model.language
    moved = {
        "project": 76 * count,
        "sort": 64 * count + 12 * pairs * (1 + 2 * passes) + 8 * pairs,
        "relevancy": language.code.nbytes + language.share.nbytes,
    }
    return {f"{name}_floor_ms": bytes_ / machine["copy_bytes_per_ms"] for name, bytes_ in moved.items()}


def _phrase_figures(
    model: Splat, size: tuple[int, int], count: int, device: torch.device, machine: dict
) -> dict[str, float | str]:
    cameras = orbit(8, *size)
    phrases = asked(count, device)
    view = model.view(cameras[0])
    codebook, language = model.language.codebook.float(), model.language
    whole = codebook @ phrases.embeddings.T, codebook @ phrases.negatives.T, language.code, language.share, 10.0
    seen = *whole[:2], view.seen.code, view.seen.share, 10.0
    of_all, of_seen = sparse_relevancy(*whole)[0], sparse_relevancy(*seen)[0]
    plain = model.project(cameras[0])
    calls = 10 if device.type == "cuda" else 1

    def clock(function: Callable[[], object]) -> float:
        return milliseconds(function, device, calls=calls)

    other_cameras = cycle(cameras)

    def anew() -> torch.Tensor:
        """Another camera for phrases whose relevancy is known for all elements, which no public call knows."""
        blended, alpha = model.project(next(other_cameras)).blend(of_all)
        return blended / alpha.clamp_min(1e-3)[..., None]

    numbers = count_from(0)

    def never_asked() -> EncodedPhrases:
        return replace(phrases, texts=tuple(str(next(numbers)) for _ in phrases.texts))

    fixed, changing = clock(lambda: view.quick_relevancy(phrases)), clock(anew)
    found: dict[str, float | str] = {
        "relevancy_all_ms": clock(lambda: sparse_relevancy(*whole)),
        "relevancy_ms": clock(lambda: sparse_relevancy(*seen)),
        "blend_all_ms": clock(lambda: plain.blend(of_all)),
        "blend_ms": clock(lambda: view.seen.projection.blend(of_seen)),
        "fixed_ms": fixed,
        "changing_ms": changing,
        "levels_ms": clock(lambda: view.level_relevancy(never_asked())),
        "pictures_per_s": count * 1e3 / fixed,
    }
    half = tuple(side // 2 for side in size)
    small = model.view(cameras[0].resized(*half))

    def halved() -> torch.Tensor:
        return torch.nn.functional.interpolate(small.quick_relevancy(phrases)[None], size[::-1], mode="bilinear")

    found["half_size_ms"] = clock(halved)
    return found | _floors(view, count, machine) | _recorded(view, phrases, device, calls)


def _floors(view: SplatView, phrases: int, machine: dict) -> dict[str, float | str]:
    """The fewest bytes of a known phrase's picture by a known camera (codes, shares and shapes of what it sees read
    once, the picture written once), and the arithmetic of the pairs' alphas, were none left out. The larger bounds it.
    """
    projected = view.seen.projection.undistorted
    pixels = view.camera.width_px * view.camera.height_px
    language = view.seen.code.nbytes + view.seen.share.nbytes
    moved = language + projected.count * 24 + 4 * projected.pairs + 4 * pixels * phrases
    found: dict[str, float | str] = {"floor_bytes": float(moved), "floor_ms": moved / machine["copy_bytes_per_ms"]}
    rate = next((rate for name, rate in _HARDWARE.items() if name in str(machine["device"])), None)
    if rate is not None:
        from langfield.ops.gaussians import rasterize_gsplat

        pixels_together = rasterize_gsplat.TILE_PX**2
        found["alphas_ms"] = projected.pairs * pixels_together * (_ALPHA_INSTRUCTIONS + 0.3 * phrases) / rate
    return found


def _recorded(view: SplatView, phrases: EncodedPhrases, device: torch.device, calls: int) -> dict[str, float | str]:
    """The same as one CUDA graph: what the host's launches cost."""
    if device.type == "cpu":
        return {}
    try:
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            view.quick_relevancy(phrases)
        return {"fixed_recorded_ms": milliseconds(graph.replay, device, calls=calls)}
    except RuntimeError as error:
        torch.cuda.synchronize(device)
        return {"not_recorded": str(error).splitlines()[0][:120]}


def _new_phrase(options: argparse.Namespace, size: tuple[int, int], device: torch.device) -> dict[str, float | str]:
    """A phrase that nobody asked before: tokens, embedding, relevancy, picture; the view was rendered before."""
    spec = "builtin:mini" if options.small else options.encoder
    encoder = load_image_text(spec, device)
    count = 300 if options.small else 1_000_000
    model = made_splat(count, device)
    numbers = iter(range(10**6))
    view = model.view(orbit(8, *size)[0])
    known = asked(1, device)

    def encoded() -> torch.Tensor:
        return encoder.encode_texts([f"a wooden spoon number {next(numbers)}"])

    def answered() -> torch.Tensor:
        embedding = torch.nn.functional.pad(encoded(), (0, EMBED_DIM))[:, :EMBED_DIM]
        return view.quick_relevancy(EncodedPhrases(("new",), embedding, known.negatives, 10.0))

    def with_levels() -> torch.Tensor:
        embedding = torch.nn.functional.pad(encoded(), (0, EMBED_DIM))[:, :EMBED_DIM]
        return view.level_relevancy(EncodedPhrases((str(next(numbers)),), embedding, known.negatives, 10.0))

    with torch.no_grad():
        return {
            "encoder": spec,
            "gaussians": count,
            "text_ms": latency_ms(encoded, device),
            "text_and_picture_ms": latency_ms(answered, device),
            "text_and_levels_ms": latency_ms(with_levels, device),
            "text_picture_and_copy_to_host_ms": latency_ms(lambda: answered().cpu(), device),
        }


def _tell(rows: list[dict], new: dict, size: tuple[int, int]) -> None:
    print(f"\nStages at {size[0]}x{size[1]}, ms (contributing: without what this picture hides)\n")
    keys = ["gaussians", "in_view", "contributing", "pairs", "pairs_contributing", "look_ms", "project_ms",
            "project_floor_ms", "sort_ms", "sort_floor_ms", "contributing_ms", "relevancy_floor_ms",
            "memory_gb"]  # fmt: skip
    last = {row["gaussians"]: row for row in rows}.values()
    print(table(keys, [[row.get(key) for key in keys] for row in last]))
    print("\nKernels of known phrases, ms (changing: relevancy of all elements known before)\n")
    keys = ["gaussians", "phrases", "relevancy_all_ms", "relevancy_ms", "blend_all_ms", "blend_ms", "alphas_ms",
            "fixed_ms", "fixed_recorded_ms", "changing_ms", "half_size_ms", "levels_ms", "floor_ms",
            "pictures_per_s"]  # fmt: skip
    print(table(keys, [[row.get(key) for key in keys] for row in rows]))
    print("\nKernels of a new phrase\n")
    print(table(list(new), [list(new.values())]))


def _tell_public(rows: list[dict], size: tuple[int, int]) -> None:
    for row in rows:
        print(f"\nPublic calls, {row['gaussians']:,} Gaussians, {size[0]}x{size[1]}\n")
        print(table(HEADER, told({key: value for key, value in row.items() if isinstance(value, dict)})))
