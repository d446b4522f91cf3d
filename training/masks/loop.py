"""The loop: one step as the device runs it, recorded as a CUDA graph where there is one, and the schedule around it."""

import argparse
import math
import time
from typing import Any

import torch
from torch import Tensor, nn
from training.masks.data import Scene, Store, Watcher
from training.masks.draw import Drawer
from training.masks.fast import Fast
from training.masks.losses import agreement_loss, iou_loss, mask_losses
from training.masks.model import build_model, load_folder, model_config, save_folder
from training.masks.muon import Muon
from training.masks.prompts import Counts, Prompter, Prompts
from transformers import SamModel

from langfield.training.graphs import StepGraphs

_EAGER_STEPS = 8  # before recording: libraries choose their kernels, the optimiser makes its moments
_IN_FLIGHT = 5  # steps between waits: without any, the host runs far ahead of the clock that ends a training
_SAID = ("loss", "click", "part", "equals", "box", "several", "iou_error", "agreement")
_TOKENS = (1.0, 0.7, 1.0, 0.7)  # weights of the losses of single, part, thing, equals
_AGREEING = 0.5  # share of the embedding's channels that the agreement is asked of; the others are free for edges


def rate_share(fraction: float) -> float:
    """Learning rate by the share of the schedule that is over: a cosine from 1 to 0.01."""
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(max(fraction, 0.0), 1.0)))


class Trainer:
    """A model in training: its step, its schedule, its averaged weights."""

    def __init__(self, args: argparse.Namespace, store: Store, device: torch.device) -> None:
        self.args, self.store, self.device = args, store, device
        self.model, self.averaged = first_model(args), first_model(args)
        for model in (self.model, self.averaged):
            nn.Module.to(model, device)
        self.model.train()
        self.averaged.eval().requires_grad_(False)
        dtype = torch.bfloat16 if device.type == "cuda" or args.bfloat16 else torch.float32
        self.fast = Fast(self.model, dtype, args.compile)
        self._losses = torch.compile(mask_losses, dynamic=False) if args.compile else mask_losses
        self.generator = torch.Generator(device).manual_seed(args.seed)
        side = self.model.config.vision_config.image_size  # pyright: ignore[reportAttributeAccessIssue, reportOptionalMemberAccess]
        self.drawer = Drawer(store, side, self.generator, args.pasted)
        counts = Counts(args.anywhere, args.middle, args.boxes, args.several)
        self.prompter = Prompter(counts, self.fast.cells, self.generator)
        self.rate = torch.tensor(0.0, device=device)
        self.blend = torch.tensor(1.0, device=device)
        self._muon_rate = torch.tensor(0.0, device=device)
        self.sums = torch.zeros(len(_SAID), device=device)
        self._token_weights = torch.tensor(_TOKENS, device=device)
        self.steps = 0
        self._optimisers()
        self._averages, self._sources = (
            [v.detach() for v in m.state_dict(keep_vars=True).values()] for m in (self.averaged, self.model)
        )
        self._graphs = StepGraphs(self.generator) if device.type == "cuda" and args.graph else None
        self.held_out: list[Scene] = []

    def _optimisers(self) -> None:
        named = [(name, p) for name, p in self.model.named_parameters() if p.requires_grad]
        matrices = [p for name, p in named if p.ndim == 2 and "layers." in name and "rel_pos" not in name]
        kept = {id(p) for p in matrices}
        self._rest = [p for _, p in named if id(p) not in kept]
        self._trained: list[Tensor] = [p for _, p in named]
        self._muon = Muon(matrices, self._muon_rate)
        self._adam = torch.optim.AdamW(
            self._rest, self.rate, (0.9, 0.98), weight_decay=0.0, fused=True, capturable=self.device.type == "cuda"
        )

    def forward(self) -> Tensor:
        """(8,) the loss, and what `_SAID` names, of a new batch."""
        drawn = self.drawer.batch(self.args.batch)
        with torch.no_grad():
            prompts = self.prompter.draw(drawn.labels)
            cell, label = self.prompter.cells_of(drawn.labels[1], self.args.agreeing_cells)
        embedding = self.fast.encode(drawn.pixels)
        logits, said = self._decode(embedding, prompts)
        losses, iou = self._losses(logits, prompts.truth)
        errors = iou_loss(said, iou)
        weight = prompts.weight[:, :, None] * self._token_weights
        total = weight.sum().clamp(min=1)
        masks, error = (losses * weight).sum() / total, (errors * weight).sum() / total
        half = int(embedding.shape[-1] * _AGREEING)
        cells = torch.gather(embedding[..., :half], 1, cell[:, :, None].expand(-1, -1, half))
        agreement = agreement_loss(cells, label)
        loss = masks + error + self.args.agreement * agreement
        clicks, boxes = self.args.anywhere + self.args.middle, self.args.boxes
        shown = [
            _mean(iou[:, :clicks, 2], prompts.weight[:, :clicks]),
            _mean(iou[:, :clicks, 1], prompts.weight[:, :clicks]),
            _mean(iou[:, :clicks, 3], prompts.weight[:, :clicks]),
            _mean(iou[:, clicks : clicks + boxes, 0], prompts.weight[:, clicks : clicks + boxes]),
            _mean(iou[:, clicks + boxes :, 0], prompts.weight[:, clicks + boxes :]),
        ]
        return torch.stack([loss, *shown, error.detach(), agreement.detach()])

    def _decode(self, embedding: Tensor, prompts: Prompts) -> tuple[Tensor, Tensor]:
        """Logits (B, P, 4, M) and IoUs (B, P, 4). A click and a box are both two tokens, so they go together."""
        encoder: Any = self.model.prompt_encoder
        ones = torch.ones_like(prompts.clicks[..., 0], dtype=torch.long)
        clicks = encoder(prompts.clicks, ones, None, None)[0]
        boxes = encoder(None, None, prompts.boxes, None)[0]
        several = encoder(prompts.several, prompts.several_labels, None, None)[0]
        first = self.fast.decode(embedding, torch.cat([clicks, boxes], 1))
        second = self.fast.decode(embedding, several)
        return torch.cat([first[0], second[0]], 1), torch.cat([first[1], second[1]], 1)

    def update(self) -> dict[str, Tensor]:
        """One step on the device; nothing in it waits, so that it can be recorded."""
        result = self.forward()
        result[0].backward()
        norm = nn.utils.clip_grad_norm_(self._trained, 1.0)
        finite = torch.isfinite(norm)
        self._muon.step(finite)
        # As GradScaler has a fused optimiser leave out a step whose gradient is not finite, without a wait.
        self._adam.found_inf = (~finite).float()  # pyright: ignore[reportAttributeAccessIssue]
        self._adam.step()
        for parameter in self._trained:
            parameter.grad = None
        with torch.no_grad():
            change = torch._foreach_sub(self._sources, self._averages)  # pyright: ignore[reportPrivateImportUsage]
            torch._foreach_mul_(change, self.blend)  # pyright: ignore[reportPrivateImportUsage]
            torch._foreach_add_(self._averages, change)  # pyright: ignore[reportPrivateImportUsage]
            self.sums += result.detach()
        return {}

    def step(self, number: int, fraction: float) -> None:
        """Step `number` of this run, at a fraction of the whole schedule."""
        share = min(1.0, (number + 1) / self.args.warmup) * rate_share(fraction)
        self.rate.fill_(self.args.lr * share)
        self._muon_rate.fill_(self.args.muon_lr * share)
        self.blend.fill_(1 - min(self.args.ema, (1 + number) / (10 + number)))
        if self._graphs is None or number < _EAGER_STEPS:
            self.update()
        elif number == _EAGER_STEPS:
            self._record()
        else:
            self._graphs.run("step", self.update)

    def _record(self) -> None:
        """Record the step and run it; without a recording, and so said, where that fails."""
        started = time.perf_counter()
        try:
            assert self._graphs is not None
            self._graphs.run("step", self.update)
            torch.cuda.synchronize()
            print(f"recorded the step in {time.perf_counter() - started:.1f} s", flush=True)
        except Exception as error:  # whatever it is, a slower training is better than none
            print(f"the step is not recorded: {type(error).__name__}: {str(error)[:800]}", flush=True)
            self._graphs = None
            self.generator = torch.Generator(self.device).manual_seed(self.args.seed + 1)
            self.drawer.generator = self.prompter.generator = self.generator
            for parameter in self._trained:
                parameter.grad = None
            self.update()

    def warm_up(self) -> None:
        """Run the step's forward and backward pass once; compiled forms that fail are given up."""
        started = time.perf_counter()
        try:
            self.forward()[0].backward()
        except Exception as error:  # any failure of a compiler is answered alike: go on without it
            if not self.args.compile:
                raise
            print(f"not compiled: {type(error).__name__}: {str(error)[:800]}", flush=True)
            self.fast, self._losses = Fast(self.model, self.fast.dtype), mask_losses
        for parameter in self._trained:
            parameter.grad = None
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        print(f"warm after {time.perf_counter() - started:.1f} s", flush=True)

    def train(self, watcher: Watcher | None = None) -> list[dict[str, float]]:
        """Train until the steps or the seconds are spent; gives the lines of the log."""
        args, log = self.args, []
        self.warm_up()
        started = noted = saved = time.perf_counter()
        begin, end = args.part
        seconds = args.seconds
        if args.until:  # waiting for scenes and compiling took what they took
            seconds = max(min(seconds or math.inf, args.until - time.time()), 1e-3)
        number = since = 0
        while True:
            if number % _IN_FLIGHT == 0:
                if self.device.type == "cuda":
                    torch.cuda.synchronize()
                for scene in watcher.arrived() if watcher else ():
                    self.take(scene)
            by_time = (time.perf_counter() - started) / seconds if seconds else 0.0
            over = max(by_time, number / args.steps if args.steps else 0.0)
            if over >= 1:
                break
            self.step(number, begin + (end - begin) * over)
            self.steps = number = number + 1
            since += 1
            if number % args.log_every == 0:
                line = self._line(number, since)
                now = time.perf_counter()
                print(f"{told(line)}  {over:4.0%}  {since / (now - noted):.1f} steps/s", flush=True)
                log.append(line)
                since, noted = 0, now
                if now - saved > args.save_every:
                    self._snapshot()
                    saved = now
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        print(f"{number} steps in {time.perf_counter() - started:.1f} s", flush=True)
        return log

    def take(self, scene: Scene) -> None:
        """A scene that came while training: for training, or for evaluation."""
        if scene.held_out:
            self.held_out.append(scene)
        elif not self.store.add(scene):
            print(f"left out scene {scene.number}: other size {scene.ids.shape[1:]}, or no room left", flush=True)

    def _snapshot(self) -> None:
        try:
            save_folder(self.averaged, self.args.out)
        except ValueError as error:  # a later one may still come right
            print(f"no snapshot: {error}", flush=True)

    def _line(self, number: int, since: int) -> dict[str, float]:
        means = (self.sums / since).tolist()
        self.sums.zero_()
        return {"step": number, "pictures": self.store.pictures, **dict(zip(_SAID, means, strict=True))}


def _mean(values: Tensor, weight: Tensor) -> Tensor:
    return (values * weight).sum() / weight.sum().clamp(min=1)


def told(line: dict[str, float]) -> str:
    numbers = (f"{key} {value:.3f}" for key, value in line.items() if key not in ("step", "pictures"))
    return f"step {line['step']:6.0f}  pictures {line['pictures']:5.0f}  " + "  ".join(numbers)


def first_model(args: argparse.Namespace) -> SamModel:
    """The model that a command line asks for: new, or that of --start."""
    if args.start:
        return load_folder(args.start)
    names = ("image_size", "patch_size", "width", "layers", "heads", "window", "decoder_width")
    sizes = {name: getattr(args, name) for name in names}
    return build_model(model_config(**sizes, global_layers=tuple(args.global_layers)), args.seed)
