"""Train langfield's bundled encoder on rendered scenes: python training/mini/train.py DATA --out OUT --seconds 500."""

import argparse
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import torch
from training.mini.augment import Shares
from training.mini.captions import Captions, build_captions
from training.mini.data import Pictures, read_pictures
from training.mini.evaluate import RECORD, evaluate, write_record, write_report
from training.mini.loop import Trainer
from training.mini.model import MAX_BYTES, bytes_as_float16, load_folder, save_folder


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, nargs="+", help="folders of NNNNN.npz, or of packed scenes (pack.py)")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--evaluate-only", action="store_true", help="evaluate the model that is in --out")
    parser.add_argument("--recalibrate-only", action="store_true", help="batch statistics of the model in --out, anew")
    parser.add_argument("--seconds", type=float, help="train so long (default 500 if no --steps)")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--batch", type=int, default=768)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--warmup", type=int, default=300)
    parser.add_argument("--weight-decay", type=float, default=0.1)
    parser.add_argument("--ema", type=float, default=0.999)
    parser.add_argument("--calibration", type=int, default=100, help="batches that statistics are counted over")
    parser.add_argument("--max-scale", type=float, default=30.0)
    parser.add_argument("--generic-bias", type=float, default=0.5)
    parser.add_argument("--image-size", type=int, default=96)
    parser.add_argument("--patch-size", type=int, default=8, help="of a ViT")
    parser.add_argument("--width", type=int, default=32)
    parser.add_argument("--layers", type=_layers, default=[2, 3, 3, 1], help="blocks of a ResNet; one number: of a ViT")
    parser.add_argument("--embed-dim", type=int, default=256)
    parser.add_argument("--text-width", type=int, default=64)
    parser.add_argument("--text-layers", type=int, default=3)
    parser.add_argument("--naming", type=float, default=1.0, help="weight of the losses over all nouns and colours")
    for name, share in vars(Shares()).items():
        parser.add_argument(f"--{name}", type=float, default=share, help="share of all crops")
    parser.add_argument("--compile", action="store_true", help="with torch.compile; rarely worth its minute")
    parser.add_argument("--graph", action=argparse.BooleanOptionalAction, default=True, help="record the step (CUDA)")
    parser.add_argument("--bfloat16", action="store_true", help="on a CPU too")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--log-every", type=int, default=100)
    parser.add_argument("--save-every", type=float, default=60, help="seconds between snapshots of the weights")
    parser.add_argument("--scenes", type=int, help="read only so many")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(given)
    if args.calibration < 1:
        parser.error("--calibration needs at least one batch")
    if args.seconds is None and args.steps is None:
        args.seconds = 500.0
    return args


def _layers(given: str) -> int | list[int]:
    numbers = [int(number) for number in given.split(",")]
    return numbers[0] if len(numbers) == 1 else numbers


def vocabulary(captions: Captions) -> list[str]:
    """All words of all captions."""
    return sorted({word for caption in captions.captions for word in caption.split()})


def main(given: list[str] | None = None) -> None:
    """Read, train, write, evaluate."""
    args = arguments(given)
    started = time.perf_counter()
    torch.manual_seed(args.seed)
    torch.set_float32_matmul_precision("high")
    device = torch.device(args.device)
    pictures = read_pictures(args.data, args.scenes)
    captions = build_captions(pictures.identities)
    things = sum(identity.is_thing for identity in pictures.identities)
    print(
        f"{len(pictures.numbers)} scenes, {len(pictures.rgb)} pictures of {pictures.rgb.shape[1:3]}, "
        f"{len(pictures.instances)} visible things of {things} identities; {len(captions.captions)} captions of "
        f"{len(captions.phrases)} phrases; held out: {len(captions.held_out_pairs)} pairs, "
        f"{int(pictures.held_out_scene.sum())} scenes; read in {time.perf_counter() - started:.0f} s",
        flush=True,
    )
    if (args.evaluate_only or args.recalibrate_only) and not (args.out / RECORD).exists():
        raise SystemExit(f"{args.out / RECORD} is missing: --out must be the folder of a training")
    if not args.evaluate_only:
        _train(args, pictures, captions, device)
    model = load_folder(args.out).to(device)
    figures = evaluate(model, pictures, captions, args.seed)
    write_report(figures, captions, vocabulary(captions), bytes_as_float16(model), args.out)
    print(f"all in {time.perf_counter() - started:.0f} s", flush=True)


def _train(args: argparse.Namespace, pictures: Pictures, captions: Captions, device: torch.device) -> None:
    trainer = Trainer(args, pictures, captions, device)
    size = bytes_as_float16(trainer.model)
    print(f"{size / 2e6:.2f} M parameters, {size / 1e6:.1f} MB in float16", flush=True)
    if size > MAX_BYTES:
        raise SystemExit(f"too large: at most {MAX_BYTES / 1e6:.0f} MB; give it fewer --layers")
    if args.compile:
        trainer.compile()
    if args.recalibrate_only:
        trainer.averaged.load_state_dict(load_folder(args.out).state_dict())
    else:
        write_record(args.out, pictures, 0)  # there from the first snapshot on
        trainer.train()
        write_record(args.out, pictures, trainer.steps)
    trainer.recalibrate()
    path = save_folder(trainer.averaged, trainer.config, args.out)
    print(f"wrote {path}: {path.stat().st_size / 1e6:.1f} MB", flush=True)


if __name__ == "__main__":
    main()
