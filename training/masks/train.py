"""Train langfield's bundled mask proposer on rendered scenes: python training/masks/train.py DATA --out OUT."""

import argparse
import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch
from training.masks.card import RECORD, write_card
from training.masks.data import Scene, Store, Watcher, read_scenes
from training.masks.evaluate import evaluate, photos_of_bench, photos_of_scenes
from training.masks.loop import Trainer
from training.masks.model import load_folder, parameter_count, save_folder
from training.masks.prompts import Counts


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, nargs="*", help="folders of NNNNN.npz, or of packed scenes (pack.py)")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--watch", type=Path, nargs="+", default=[], help="folders to take NNNNN.npz from as they appear"
    )
    parser.add_argument("--first", type=int, default=40, help="with --watch: scenes to wait for before the first step")
    parser.add_argument("--start", type=Path, help="folder of the weights to begin with")
    parser.add_argument(
        "--ids", type=Path, nargs="+", default=[], help="folders of images/ and gt/*_ids.png to evaluate on"
    )
    parser.add_argument("--seconds", type=float, help="train so long (default 500 if no --steps)")
    parser.add_argument("--until", type=float, help="end the loop by this time (seconds since 1970) at the latest")
    parser.add_argument("--steps", type=int)
    parser.add_argument(
        "--part", type=float, nargs=2, default=(0.0, 1.0), help="which part of the schedule this run is"
    )
    parser.add_argument("--batch", type=int, default=32, help="pictures a step")
    counts = Counts()
    for name in ("anywhere", "middle", "boxes", "several"):
        parser.add_argument(f"--{name}", type=int, default=getattr(counts, name), help="prompts of a picture")
    parser.add_argument("--lr", type=float, default=1e-3, help="of AdamW")
    parser.add_argument("--muon-lr", type=float, default=2e-3)
    parser.add_argument("--warmup", type=int, default=200)
    parser.add_argument("--ema", type=float, default=0.998)
    parser.add_argument("--agreement", type=float, default=0.3, help="weight of the cells' agreement")
    parser.add_argument("--agreeing-cells", type=int, default=256)
    parser.add_argument("--pasted", type=float, default=0.4, help="share of pictures with another one's things")
    parser.add_argument("--image-size", type=int, default=384)
    parser.add_argument("--patch-size", type=int, default=8)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--heads", type=int, default=8)
    parser.add_argument("--window", type=int, default=12)
    parser.add_argument("--global-layers", type=int, nargs="+", default=(2, 5, 7))
    parser.add_argument("--decoder-width", type=int, default=128)
    parser.add_argument("--capacity", type=int, default=24000, help="with --watch: most pictures")
    parser.add_argument("--compile", action="store_true", help="with torch.compile: the encoder's layers, the losses")
    parser.add_argument("--graph", action=argparse.BooleanOptionalAction, default=True, help="record the step (CUDA)")
    parser.add_argument("--bfloat16", action="store_true", help="on a CPU too")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--log-every", type=int, default=100)
    parser.add_argument("--save-every", type=float, default=60, help="seconds between snapshots of the weights")
    parser.add_argument("--evaluated", type=int, default=240, help="most held-out pictures to evaluate on")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(given)
    if not args.data and not args.watch:
        parser.error("give folders of scenes, or --watch")
    if args.seconds is None and args.steps is None:
        args.seconds = 500.0
    return args


def filled_store(scenes: list[Scene], watcher: Watcher | None, args: argparse.Namespace) -> tuple[Store, list[Scene]]:
    """Training pictures on the device, and held-out scenes; waits for the first ones to appear."""
    while watcher is not None and sum(not scene.held_out for scene in scenes) < args.first:
        time.sleep(0.2)
        scenes += watcher.arrived()
    training = [scene for scene in scenes if not scene.held_out]
    if not training:
        raise SystemExit("no scene to train on: folders must hold NNNNN.npz, or *.tar of NNNNN.zip, not only NNNN0")
    sizes = [scene.ids.shape[1:] for scene in training]
    height, width = max(set(sizes), key=sizes.count)
    capacity = max(args.capacity if watcher else 0, sum(len(scene.rgb) for scene in training))
    store = Store(height, width, capacity, torch.device(args.device))
    for scene in training:
        if not store.add(scene):
            print(f"left out scene {scene.number}: pictures of {scene.ids.shape[1:]}, others are {(height, width)}")
    return store, [scene for scene in scenes if scene.held_out]


def main(given: list[str] | None = None) -> None:
    """Read, train, write, evaluate."""
    args = arguments(given)
    started = time.perf_counter()
    torch.manual_seed(args.seed)
    torch.set_float32_matmul_precision("high")
    torch.backends.cuda.enable_cudnn_sdp(False)  # flash attention needs no plan for each shape
    scenes = read_scenes(args.data)
    watcher = Watcher(args.watch, {scene.number for scene in scenes}) if args.watch else None
    store, held_out = filled_store(scenes, watcher, args)
    print(
        f"{store.scenes} scenes to train on, {store.pictures} pictures of {store.height_px, store.width_px}; "
        f"{len(held_out)} held out; read in {time.perf_counter() - started:.0f} s",
        flush=True,
    )
    trainer = Trainer(args, store, torch.device(args.device))
    print(f"{parameter_count(trainer.model) / 1e6:.2f} M parameters", flush=True)
    log = trainer.train(watcher)
    if watcher:
        watcher.close()
    path = save_folder(trainer.averaged, args.out)
    print(f"wrote {path}: {path.stat().st_size / 1e6:.1f} MB", flush=True)
    record = {"steps": trainer.steps, "pictures": store.pictures, "scenes": store.scenes, "log": log}
    before = args.start / RECORD if args.start else None
    if before and before.exists():
        record["before"] = json.loads(before.read_text(encoding="utf-8"))
    (args.out / RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    model = load_folder(args.out).to(args.device).eval()
    sets = {"held-out scenes": photos_of_scenes([*held_out, *trainer.held_out], args.evaluated)}
    sets |= {folder.name: photos_of_bench(folder) for folder in args.ids}
    write_card(args.out, {name: evaluate(model, photos) for name, photos in sets.items() if photos}, record)
    print(f"all in {time.perf_counter() - started:.0f} s", flush=True)


if __name__ == "__main__":
    main()
