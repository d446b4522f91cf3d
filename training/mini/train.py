"""Train langfield's bundled encoder on rendered scenes: python training/mini/train.py DATA --out OUT --seconds 250."""

import argparse
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np
import torch
from torch import Tensor, nn
from training.mini.captions import Captions, build_captions
from training.mini.crops import Batch, CropSampler
from training.mini.data import Pictures, read_pictures
from training.mini.evaluate import evaluate, write_report
from training.mini.model import (
    MOST_BYTES,
    build_model,
    bytes_as_float16,
    contrastive_loss,
    forget_tokens,
    load_folder,
    model_config,
    neutral_pairs,
    normalised,
    save_folder,
    tokens_of,
    unknown_texts,
    unseen_tokens,
)

_NO_DECAY = ("token_embedding", "positional_embedding", "class_embedding", "logit_scale")


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder of NNNNN.npz")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--evaluate-only", action="store_true", help="evaluate the model that is in --out")
    parser.add_argument("--seconds", type=float, help="train so long (default 250 if no --steps)")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--batch", type=int, default=1024)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--warmup", type=int, default=300)
    parser.add_argument("--weight-decay", type=float, default=0.1)
    parser.add_argument("--ema", type=float, default=0.999)
    parser.add_argument("--max-scale", type=float, default=30.0)
    parser.add_argument("--generic-bias", type=float, default=0.9)
    parser.add_argument("--image-size", type=int, default=64)
    parser.add_argument("--patch-size", type=int, default=8)
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--embed-dim", type=int, default=256)
    parser.add_argument("--text-width", type=int, default=80)
    parser.add_argument("--text-layers", type=int, default=4)
    parser.add_argument("--compile", action=argparse.BooleanOptionalAction, default=torch.cuda.is_available())
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--log-every", type=int, default=100)
    parser.add_argument("--save-every", type=float, default=60, help="seconds between snapshots of the weights")
    parser.add_argument("--scenes", type=int, help="read only so many")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(given)
    if args.seconds is None and args.steps is None:
        args.seconds = 250.0
    return args


class Trainer:
    """A model in training: its step, its schedule, its averaged weights."""

    def __init__(self, args: argparse.Namespace, pictures: Pictures, captions: Captions, device: torch.device) -> None:
        self.args = args
        self.device = device
        self.config = model_config(
            image_size=args.image_size,
            patch_size=args.patch_size,
            width=args.width,
            layers=args.layers,
            embed_dim=args.embed_dim,
            text_width=args.text_width,
            text_layers=args.text_layers,
        )
        self.model = build_model(self.config).to(device).train()
        tokens = tokens_of(captions.captions)
        unseen = unseen_tokens(tokens)
        forget_tokens(self.model, unseen)
        self.averaged = build_model(self.config).to(device).eval().requires_grad_(False)
        self.averaged.load_state_dict(self.model.state_dict())
        self._tokens = tokens.to(device)
        self._unknown = unknown_texts(unseen).to(device)
        self._phrase_of = torch.from_numpy(captions.phrase_of).to(device)
        self._generic = torch.from_numpy(captions.generic).to(device)
        possible = np.pad(captions.possible, ((0, 1), (0, 0)))
        self._possible = torch.from_numpy(np.ascontiguousarray(possible.T)).to(device)
        self.sampler = CropSampler(pictures, captions, args.image_size, device)
        self.optimizer = self._optimizer()
        self._parameters: list[Tensor] = list(self.model.parameters())
        self._averages: list[Tensor] = list(self.averaged.parameters())
        self._look = self.sampler.look
        self._forward = self.forward

    def _optimizer(self) -> torch.optim.AdamW:
        named = list(self.model.named_parameters())
        plain = [p for name, p in named if p.ndim < 2 or any(word in name for word in _NO_DECAY)]
        kept = {id(p) for p in plain}
        decayed = [p for _, p in named if id(p) not in kept]
        groups = [{"params": decayed, "weight_decay": self.args.weight_decay}, {"params": plain, "weight_decay": 0.0}]
        return torch.optim.AdamW(groups, lr=self.args.lr, betas=(0.9, 0.98), eps=1e-6, fused=True)

    def forward(self, pixels: Tensor, tokens: Tensor, neutral: Tensor, generic: Tensor, valid: Tensor) -> Tensor:
        """(2,) loss and accuracy."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            image, text = self.model.encode_image(normalised(pixels)), self.model.encode_text(tokens)
        image, text = (nn.functional.normalize(features.float(), dim=-1) for features in (image, text))
        scale = self.model.logit_scale.exp()
        return torch.stack(contrastive_loss(image, text, scale, neutral, generic, valid, self.args.generic_bias))

    def loss_of(self, batch: Batch) -> Tensor:
        """(2,) loss and accuracy of a batch."""
        tokens = torch.cat([self._tokens[batch.caption], self._unknown])
        phrase = self._phrase_of[batch.caption]
        generic = self._generic[phrase]
        neutral = neutral_pairs(batch.shown, self._possible[phrase], generic, batch.valid, len(self._unknown))
        generic = nn.functional.pad(generic, (0, len(self._unknown)), value=False)
        return self._forward(batch.pixels, tokens, neutral, generic, batch.valid)

    def compile(self) -> None:
        """Try the compiled forms; whatever fails stays as it is."""
        for name in ("look", "forward"):
            started = time.perf_counter()
            owner, attribute = (self.sampler, "look") if name == "look" else (self, "_forward")
            plain: Callable[..., Tensor] = getattr(owner, attribute)
            try:
                setattr(owner, attribute, torch.compile(plain, dynamic=False))
                self._try()
                print(f"compiled {name} in {time.perf_counter() - started:.0f} s", flush=True)
            except Exception as error:  # any failure of a compiler is answered alike: go on without it
                setattr(owner, attribute, plain)
                print(f"{name} is not compiled: {type(error).__name__}: {str(error)[:500]}", flush=True)
        self._try()

    def _try(self) -> None:
        for _ in range(3):
            self.loss_of(self.sampler.batch(self.args.batch))[0].backward()
            self.optimizer.zero_grad(set_to_none=True)
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def step(self, number: int, fraction: float) -> Tensor:
        """One step of the optimiser; loss and accuracy stay on the device."""
        rate = self.args.lr * min(1.0, (number + 1) / self.args.warmup) * 0.5 * (1 + math.cos(math.pi * fraction))
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        result = self.loss_of(self.sampler.batch(self.args.batch))
        result[0].backward()
        norm = nn.utils.clip_grad_norm_(self._parameters, 1.0)
        # As GradScaler has a fused optimiser leave out a step whose gradient is not finite, without a wait.
        self.optimizer.found_inf = (~torch.isfinite(norm)).float()  # pyright: ignore[reportAttributeAccessIssue]
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        with torch.no_grad():
            self.model.logit_scale.clamp_(0, math.log(self.args.max_scale))
            keep = min(self.args.ema, (1 + number) / (10 + number))
            torch._foreach_lerp_(self._averages, self._parameters, 1 - keep)  # pyright: ignore[reportPrivateImportUsage]
        return result.detach()

    def train(self) -> list[tuple[int, float, float]]:
        """Train until the steps or the seconds are spent; gives (step, loss, accuracy) of each line of the log."""
        args, log, sums = self.args, [], torch.zeros(2, device=self.device)
        started = noted = saved = time.perf_counter()
        number = since = 0
        while True:
            now = time.perf_counter()
            by_time = (now - started) / args.seconds if args.seconds else 0.0
            fraction = max(by_time, number / args.steps if args.steps else 0.0)
            if fraction >= 1:
                break
            sums += self.step(number, fraction)
            number, since = number + 1, since + 1
            if number % args.log_every == 0:
                loss, accuracy = (sums / since).tolist()
                now = time.perf_counter()
                scale = self.model.logit_scale.exp().item()
                speed = since / (now - noted)
                line = f"step {number:6d}  {fraction:4.0%}  loss {loss:.4f}  acc {accuracy:.3f}  scale {scale:.1f}"
                print(f"{line}  {speed:.1f} steps/s", flush=True)
                log.append((number, loss, accuracy))
                sums, since, noted = torch.zeros_like(sums), 0, now
                if now - saved > args.save_every:
                    save_folder(self.averaged, self.config, args.out)
                    saved = now
        print(f"{number} steps in {time.perf_counter() - started:.1f} s", flush=True)
        return log


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
    if not args.evaluate_only:
        _train(args, pictures, captions, device)
    model = load_folder(args.out).to(device)
    figures = evaluate(model, pictures, captions, args.seed)
    write_report(figures, captions, pictures, vocabulary(captions), bytes_as_float16(model), args.out)
    print(f"all in {time.perf_counter() - started:.0f} s", flush=True)


def _train(args: argparse.Namespace, pictures: Pictures, captions: Captions, device: torch.device) -> None:
    trainer = Trainer(args, pictures, captions, device)
    size = bytes_as_float16(trainer.model)
    print(f"{size / 2e6:.2f} M parameters, {size / 1e6:.1f} MB in float16", flush=True)
    if size > MOST_BYTES:
        raise SystemExit(f"too large: at most {MOST_BYTES / 1e6:.0f} MB; give it fewer --layers")
    if args.compile:
        trainer.compile()
    trainer.train()
    path = save_folder(trainer.averaged, trainer.config, args.out)
    print(f"wrote {path}: {path.stat().st_size / 1e6:.1f} MB", flush=True)


if __name__ == "__main__":
    main()
