"""Gaussians on a GPU: seconds to a picture quality, relevancy pictures a second, how lifting and making a run grow.

    python benchmarks/splats.py training SCENE --presets splat --targets 35.77 36.56 --out training.json
    python benchmarks/splats.py relevancy --out relevancy.json
    python benchmarks/splats.py lifting --out lifting.json
    python benchmarks/splats.py growth --out growth.json

Each prints short tables and writes everything it found to --out as JSON; `benchmarks/plots.py` draws it. `training`
works on a scene; the others make rooms of as many Gaussians as asked for. `--small --device cpu` shows within seconds
that they run, and nothing else.
"""

import argparse
import json
import time
from pathlib import Path

import torch

import splat_growth
import splat_lifting
import splat_relevancy
import splat_training
from measuring import machine

_MEASURES = {
    "training": splat_training.measure,
    "relevancy": splat_relevancy.measure,
    "lifting": splat_lifting.measure,
    "growth": splat_growth.measure,
}


def main() -> None:
    options = _options()
    device = torch.device(options.device)
    start = time.perf_counter()
    here = machine(device)
    print(f"{here['device']}, torch {here['torch']}, copy {here['copy_bytes_per_ms'] / 1e9:.2f} TB/s")
    found = {"what": options.what, "machine": here, **_MEASURES[options.what](options, device, here)}
    found["seconds"] = time.perf_counter() - start
    if options.out:
        Path(options.out).write_text(json.dumps(found, indent=1) + "\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_subparsers(dest="what", required=True)
    training, relevancy, lifting, growth = (what.add_parser(name) for name in _MEASURES)
    training.add_argument("scene")
    training.add_argument("--presets", nargs="+", default=["splat"])
    training.add_argument(
        "--targets", nargs="+", type=float, default=[35.77, 36.56], help="dB, mean over the test views"
    )
    training.add_argument("--every", type=int, default=250, help="steps between looks at the test views")
    training.add_argument("--max-steps", type=int, help="instead of the preset's")
    training.add_argument("--seconds", type=float, help="stop a training after so many")
    training.add_argument(
        "--set", nargs="*", default=[], help="settings of the model, such as strategy.refine_stop=5000"
    )
    relevancy.add_argument("--gaussians", nargs="+", type=int, default=[200_000, 1_000_000, 3_000_000])
    relevancy.add_argument("--phrases", nargs="+", type=int, default=[1, 10, 100])
    relevancy.add_argument("--encoder", default="openclip:ViT-B-16/random")
    lifting.add_argument("--photos", nargs="+", type=int, default=[50, 200, 800])
    lifting.add_argument("--levels", nargs="+", type=int, default=[1, 3, 7])
    lifting.add_argument("--lifted", nargs="+", type=int, default=[200_000, 1_000_000, 3_000_000], help="Gaussians")
    growth.add_argument("--photos", nargs="+", type=int, default=[50, 200, 800])
    growth.add_argument("--trained", nargs="+", type=int, default=[200_000, 1_000_000, 3_000_000], help="Gaussians")
    growth.add_argument("--encoder", default="openclip:ViT-B-16/random")
    for each in (training, relevancy, lifting, growth):
        each.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
        each.add_argument("--small", action="store_true", help="so little that a CPU does it in seconds")
        each.add_argument("--out", default="", help="a JSON file")
    return parser.parse_args()


if __name__ == "__main__":
    main()
