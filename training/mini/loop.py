"""The loop: one step as the device runs it, recorded as a CUDA graph where there is one, and the schedule around it."""

import argparse
import math
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from training.mini.augment import Shares
from training.mini.captions import Captions
from training.mini.crops import Batch, CropSampler
from training.mini.data import Pictures
from training.mini.model import (
    build_model,
    contrastive_loss,
    forget_tokens,
    model_config,
    naming_loss,
    neutral_pairs,
    normalised,
    recalibrate,
    save_folder,
    tokens_of,
    unknown_texts,
    unseen_tokens,
)

from langfield.training.graphs import StepGraphs

_NO_DECAY = ("token_embedding", "positional_embedding", "class_embedding", "logit_scale")
_EAGER_STEPS = 8  # before recording: libraries choose their kernels, the optimiser makes its moments
_IN_FLIGHT = 10  # steps between waits: without any, the host runs far ahead of the clock that ends a training


class Trainer:
    """A model in training: its step, its schedule, its averaged weights."""

    def __init__(self, args: argparse.Namespace, pictures: Pictures, captions: Captions, device: torch.device) -> None:
        self.args = args
        self.device = device
        self.config = config_of(args)
        self.model = build_model(self.config).to(device).train()
        tokens = tokens_of(captions.captions)
        unseen = unseen_tokens(tokens)
        forget_tokens(self.model, unseen)
        self.averaged = build_model(self.config).to(device).eval().requires_grad_(False)
        self.averaged.load_state_dict(self.model.state_dict())
        for model in (self.model, self.averaged):
            model.visual.to(memory_format=torch.channels_last)  # what convolutions are quick with
        self._put_tables(captions, tokens, unseen)
        shares = Shares(args.recoloured, args.gray, args.replaced, args.turned)
        self.sampler = CropSampler(pictures, captions, args.image_size, device, shares, args.seed)
        self.rate = torch.tensor(0.0, device=device)
        self.blend = torch.tensor(1.0, device=device)
        self.sums = torch.zeros(4, device=device)
        self.steps = 0
        self.optimizer = self._optimizer()
        self._parameters: list[Tensor] = list(self.model.parameters())
        self._averages, self._sources = _floats(self.averaged), _floats(self.model)
        recorded = device.type == "cuda" and args.graph
        self._graphs = StepGraphs(self.sampler.generator) if recorded else None

    def _put_tables(self, captions: Captions, tokens: Tensor, unseen: np.ndarray) -> None:
        def put(array: np.ndarray) -> Tensor:
            return torch.from_numpy(np.ascontiguousarray(array)).to(self.device)

        possible = np.pad(captions.possible, ((0, 1), (0, 0)))  # the last row is "unknown"
        self._tokens = tokens.to(self.device)
        self._unknown = unknown_texts(unseen).to(self.device)
        self._prompts = tokens_of([*captions.nouns, *captions.colours]).to(self.device)
        self._phrase_of = put(captions.phrase_of)
        self._generic = put(captions.generic)
        self._possible = put(possible.T)
        self._noun_of = put(np.append(captions.noun_of, -1))
        self._colour_of = put(np.append(captions.colour_of, -1))
        self._noun_possible = put(possible[:, captions.noun_phrases]).float()
        self._colour_possible = put(possible[:, captions.colour_phrases]).float()

    def _optimizer(self) -> torch.optim.AdamW:
        named = list(self.model.named_parameters())
        plain = [p for name, p in named if p.ndim < 2 or any(word in name for word in _NO_DECAY)]
        kept = {id(p) for p in plain}
        decayed = [p for _, p in named if id(p) not in kept]
        groups = [{"params": decayed, "weight_decay": self.args.weight_decay}, {"params": plain, "weight_decay": 0.0}]
        on_gpu = self.device.type == "cuda"
        return torch.optim.AdamW(groups, lr=self.rate, betas=(0.9, 0.98), eps=1e-6, fused=True, capturable=on_gpu)

    def forward(self, batch: Batch) -> Tensor:
        """(4,) the loss, its contrastive part, the share of crops that rank their caption first, the nouns' part."""
        captions = len(batch.caption) + len(self._unknown)
        tokens = torch.cat([self._tokens[batch.caption], self._unknown, self._prompts])
        bfloat16 = self.device.type == "cuda" or self.args.bfloat16
        with torch.autocast(self.device.type, torch.bfloat16, enabled=bfloat16):
            image, text = self.model.encode_image(normalised(batch.pixels)), self.model.encode_text(tokens)
        image, text = (nn.functional.normalize(features.float(), dim=-1) for features in (image, text))
        scale = self.model.logit_scale.exp()
        contrast, first = self._contrast(batch, image, text[:captions], scale)
        nouns, colours = self._naming(batch, image, text[captions:], scale)
        loss = contrast + self.args.naming * (nouns + colours)
        return torch.stack([loss, contrast.detach(), first, nouns.detach()])

    def _contrast(self, batch: Batch, image: Tensor, text: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
        extra = len(self._unknown)
        phrase = self._phrase_of[batch.caption]
        generic = self._generic[phrase]
        neutral = neutral_pairs(batch.shown, self._possible[phrase], generic, batch.valid, extra)
        generic = nn.functional.pad(generic, (0, extra), value=False)
        return contrastive_loss(image, text, scale, neutral, generic, batch.valid, self.args.generic_bias)

    def _naming(self, batch: Batch, image: Tensor, prompts: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
        nouns = self._noun_possible.shape[1]
        by_noun, by_colour = ((batch.shown @ t) > 0.5 for t in (self._noun_possible, self._colour_possible))
        noun, colour = self._noun_of[batch.spoken], self._colour_of[batch.spoken]
        return (
            naming_loss(image, prompts[:nouns], scale, noun, by_noun, batch.valid),
            naming_loss(image, prompts[nouns:], scale, colour, by_colour, batch.valid),
        )

    def update(self) -> dict[str, Tensor]:
        """One step on the device; nothing in it waits, so that it can be recorded."""
        result = self.forward(self.sampler.batch(self.args.batch))
        result[0].backward()
        norm = nn.utils.clip_grad_norm_(self._parameters, 1.0)
        # As GradScaler has a fused optimiser leave out a step whose gradient is not finite, without a wait.
        self.optimizer.found_inf = (~torch.isfinite(norm)).float()  # pyright: ignore[reportAttributeAccessIssue]
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        with torch.no_grad():
            self.model.logit_scale.clamp_(0, math.log(self.args.max_scale))
            change = torch._foreach_sub(self._sources, self._averages)  # pyright: ignore[reportPrivateImportUsage]
            torch._foreach_mul_(change, self.blend)  # pyright: ignore[reportPrivateImportUsage]
            torch._foreach_add_(self._averages, change)  # pyright: ignore[reportPrivateImportUsage]
            self.sums += result.detach()
        return {}

    def step(self, number: int, fraction: float) -> None:
        """Step `number` of a training of which a fraction is over."""
        warm = min(1.0, (number + 1) / self.args.warmup)
        self.rate.fill_(self.args.lr * warm * 0.5 * (1 + math.cos(math.pi * fraction)))
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
            self.sampler.generator = torch.Generator(self.device).manual_seed(self.args.seed + 1)
            self.optimizer.zero_grad(set_to_none=True)
            self.update()

    def compile(self) -> None:
        """Try the compiled forms; whatever fails stays as it is."""
        for owner, name in ((self.sampler, "look"), (self, "forward")):
            started = time.perf_counter()
            plain: Callable[..., Tensor] = getattr(owner, name)
            try:
                setattr(owner, name, torch.compile(plain, dynamic=False))
                self.forward(self.sampler.batch(self.args.batch))[0].backward()
                print(f"compiled {name} in {time.perf_counter() - started:.0f} s", flush=True)
            except Exception as error:  # any failure of a compiler is answered alike: go on without it
                setattr(owner, name, plain)
                print(f"{name} is not compiled: {type(error).__name__}: {str(error)[:500]}", flush=True)
            self.optimizer.zero_grad(set_to_none=True)

    def train(self) -> list[dict[str, float]]:
        """Train until the steps or the seconds are spent; gives the lines of the log."""
        args, log = self.args, []
        started = noted = saved = time.perf_counter()
        number = since = 0
        while True:
            if number % _IN_FLIGHT == 0 and self.device.type == "cuda":
                torch.cuda.synchronize()
            by_time = (time.perf_counter() - started) / args.seconds if args.seconds else 0.0
            fraction = max(by_time, number / args.steps if args.steps else 0.0)
            if fraction >= 1:
                break
            self.step(number, fraction)
            self.steps = number = number + 1
            since += 1
            if number % args.log_every == 0:
                line = self._line(number, since)
                now = time.perf_counter()
                print(f"{told(line)}  {fraction:4.0%}  {since / (now - noted):.1f} steps/s", flush=True)
                log.append(line)
                since, noted = 0, now
                if now - saved > args.save_every:
                    self._snapshot()
                    saved = now
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        print(f"{number} steps in {time.perf_counter() - started:.1f} s", flush=True)
        return log

    def _snapshot(self) -> None:
        try:
            save_folder(self.averaged, self.config, self.args.out)
        except ValueError as error:  # the end of training counts statistics anew, so that it may still come right
            print(f"no snapshot: {error}", flush=True)

    def recalibrate(self) -> None:
        """Statistics of the averaged weights, over crops as training draws them."""

        def batches() -> Iterator[Tensor]:
            for _ in range(self.args.calibration):
                batch = self.sampler.batch(self.args.batch)
                yield normalised(batch.pixels[batch.valid])

        recalibrate(self.averaged, batches())

    def _line(self, number: int, since: int) -> dict[str, float]:
        means = (self.sums / since).tolist()
        self.sums.zero_()
        scale = self.model.logit_scale.exp().item()
        return {"step": number, **dict(zip(("loss", "contrast", "acc", "nouns"), means, strict=True)), "scale": scale}


def told(line: dict[str, float]) -> str:
    numbers = (f"{key} {value:.3f}" for key, value in line.items() if key != "step")
    return f"step {line['step']:6.0f}  " + "  ".join(numbers)


def config_of(args: argparse.Namespace) -> dict[str, Any]:
    """The model that a command line asks for."""
    names = ("image_size", "patch_size", "width", "layers", "embed_dim", "text_width", "text_layers")
    return model_config(**{name: getattr(args, name) for name in names})


def _floats(model: nn.Module) -> list[Tensor]:
    """All that a model has learnt: parameters, and the statistics of batch norms."""
    state = model.state_dict(keep_vars=True).values()
    return [tensor.detach() for tensor in state if tensor.is_floating_point()]
