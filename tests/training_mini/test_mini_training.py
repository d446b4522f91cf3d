"""The loss's masks by hand, and a short training from files to a folder that OpenCLIP loads."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from tests.training_mini.fake_scenes import write_scenes
from torch.utils._python_dispatch import TorchDispatchMode
from training.mini import train
from training.mini.captions import build_captions
from training.mini.data import read_pictures
from training.mini.evaluate import _best, auroc, encode_crops, frames
from training.mini.loop import Trainer, config_of
from training.mini.model import (
    build_model,
    bytes_as_float16,
    contrastive_loss,
    forget_tokens,
    load_folder,
    model_config,
    naming_loss,
    neutral_pairs,
    recalibrate,
    save_folder,
    tokens_of,
    unknown_texts,
    unseen_tokens,
)

TINY = ["--image-size=32", "--width=64", "--layers=2", "--embed-dim=32", "--text-width=32", "--text-layers=1"]


def test_neutral_pairs_by_hand() -> None:
    """Crops: a red mug; a red mug beside a book; a book said to be an object; an invalid one."""
    shown = torch.tensor([[1, 0, 0], [1, 1, 0], [0, 1, 0], [1, 0, 0]]).float()  # mug, book, unknown
    captions = torch.tensor([[1, 0, 0], [1, 0, 0], [1, 1, 0], [0, 0, 0]]).bool()  # "mug", "red", "object", –
    generic = torch.tensor([False, False, True, False])
    valid = torch.tensor([True, True, True, False])
    neutral = neutral_pairs(shown, captions, generic, valid, extra=1)
    expected = [[0, 1, 0, 1, 0], [1, 0, 0, 1, 0], [0, 0, 0, 1, 0], [1, 1, 1, 0, 0]]
    assert neutral.int().tolist() == expected


def test_crops_with_generic_captions_spare_other_generic_ones() -> None:
    shown = torch.eye(3)
    possible = torch.ones(3, 3).bool()
    generic = torch.tensor([True, True, False])
    neutral = neutral_pairs(shown, possible, generic, torch.ones(3).bool(), extra=0)
    assert neutral.int().tolist() == [[0, 1, 1], [1, 0, 1], [0, 0, 0]]


def test_loss_by_brute_force() -> None:
    generator = torch.Generator().manual_seed(0)
    image, text = (torch.nn.functional.normalize(torch.randn(n, 8, generator=generator), dim=1) for n in (5, 7))
    neutral = torch.rand(5, 7, generator=generator) < 0.3
    neutral[torch.arange(5), torch.arange(5)] = False
    generic = torch.tensor([0, 1, 0, 0, 1, 0, 0]).bool()
    valid = torch.tensor([1, 1, 0, 1, 1]).bool()
    loss, _ = contrastive_loss(image, text, torch.tensor(10.0), neutral, generic, valid, 0.9)
    logits = 10 * image.double() @ text.double().T - 0.9 * generic
    terms = []
    for i in range(5):
        rows = [j for j in range(7) if not neutral[i, j]]
        columns = [j for j in range(5) if not neutral[j, i]]
        by_image = torch.logsumexp(logits[i, rows], 0) - logits[i, i]
        by_text = torch.logsumexp(logits[columns, i], 0) - logits[i, i]
        terms.append(float(by_image + by_text) / 2)
    assert float(loss) == pytest.approx(np.mean([terms[i] for i in (0, 1, 3, 4)]), rel=1e-5)


def test_naming_loss_by_hand() -> None:
    """Crops: one of noun 0; one of noun 1 beside noun 2; a table; one that does not count."""
    prompts = torch.eye(4)
    image = torch.nn.functional.normalize(
        torch.tensor([[3.0, 1, 0, 1], [1, 2, 5, 0], [1, 1, 1, 1], [0, 0, 1, 0]]), dim=1
    )
    neutral = torch.zeros(4, 4).bool()
    neutral[0, 0] = neutral[1, 1] = neutral[1, 2] = True  # what is shown; the target counts nevertheless
    target, valid = torch.tensor([0, 1, -1, 3]), torch.tensor([1, 1, 1, 0]).bool()
    loss = naming_loss(image, prompts, torch.tensor(2.0), target, neutral, valid)
    first = torch.logsumexp(2 * image[0], 0) - 2 * image[0, 0]
    second = torch.logsumexp(2 * image[1, [0, 1, 3]], 0) - 2 * image[1, 1]
    assert float(loss) == pytest.approx(float(first + second) / 2, rel=1e-5)
    assert naming_loss(image, prompts, torch.tensor(2.0), target - 9, neutral, valid) == 0


def test_excluded_texts_are_not_chosen() -> None:
    crops, texts = torch.eye(2), torch.tensor([[1.0, 0], [0.9, 0.1]])
    assert _best(crops, texts).tolist() == [0, 1]
    assert _best(crops, texts, np.array([[True, False], [False, False]])).tolist() == [1, 1]


def test_tokens_never_seen_mean_nothing_and_stay_so() -> None:
    tokens = tokens_of(["red mug", "a photo of a wooden table", "object"])
    unseen = unseen_tokens(tokens)
    assert 0 in unseen  # what fills up a text
    assert not set(tokens[0, :4].tolist()) & set(unseen.tolist())
    unknown = unknown_texts(unseen)
    assert (unknown == 49407).sum(dim=1).tolist() == [1] * len(unknown)
    model = build_model(_tiny_config())
    forget_tokens(model, unseen)
    model.encode_text(torch.cat([tokens, unknown])).sum().backward()
    rows = torch.from_numpy(unseen)
    assert not model.token_embedding.weight.grad[rows].any()
    assert not model.token_embedding.weight[rows].any()
    assert torch.equal(open_clip.get_tokenizer("ViT-B-32")(["red mug"], context_length=16), tokens[:1])


def test_the_default_model_is_small_enough() -> None:
    args = train.arguments(["data", "--out", "out"])
    config = config_of(args)
    assert 15e6 < bytes_as_float16(build_model(config)) <= 20e6
    assert args.seconds == 500


def test_trains_writes_and_evaluates(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = write_scenes(tmp_path / "data", scenes=13)
    (data / "00099.npz").write_bytes(b"torn")
    out = tmp_path / "out"
    given = [str(data), "--out", str(out), *TINY, "--batch=48", "--warmup=5", "--lr=2e-3", "--ema=0.9"]
    train.main([*given, "--steps=40", "--log-every=10", "--device=cpu", "--save-every=0"])
    printed = capsys.readouterr().out
    assert "left out 00099.npz" in printed
    losses = [float(line.split("loss ")[1].split()[0]) for line in printed.splitlines() if line.startswith("step")]
    assert len(losses) == 4
    assert losses[-1] < losses[0] - 0.3
    model = load_folder(out)
    made: Any = open_clip.create_model_and_transforms(f"local-dir:{out}")
    reloaded, _, preprocess = made
    phrase = open_clip.get_tokenizer(f"local-dir:{out}")(["red mug"])
    assert phrase.shape == (1, 16)
    assert torch.equal(model.encode_text(phrase), reloaded.eval().encode_text(phrase))
    assert "BICUBIC" in str(preprocess).upper()
    _check_report(out)


def _check_report(out: Path) -> None:
    figures = json.loads((out / "figures.json").read_text())
    assert figures["crops"] > 10
    assert figures["held_out_crops"] > 0
    assert 0 <= figures["held_out_pair_top1"] <= 1
    assert figures["noun_top1"] > 0.25
    assert figures["presence_unknown"] is not None
    words = (out / "vocabulary.txt").read_text().split()
    assert {"mug", "red", "object", "wall", "wooden", "photo"} <= set(words)
    card = (out / "CARD.md").read_text()
    assert "mug" in card
    assert "None" not in card


def test_time_ends_a_training(tmp_path: Path) -> None:
    pictures = read_pictures(write_scenes(tmp_path / "data", scenes=3))
    args = train.arguments(["data", "--out", str(tmp_path), *TINY, "--batch=8", "--seconds=1", "--device=cpu"])
    trainer = Trainer(args, pictures, build_captions(pictures.identities), torch.device("cpu"))
    trainer.train()
    assert all(0 < group["lr"] < 1e-4 for group in trainer.optimizer.param_groups)


def test_a_gradient_that_is_not_finite_changes_nothing(tmp_path: Path) -> None:
    trainer = _trainer(tmp_path)
    trainer.step(0, 0.0)
    before = [parameter.detach().clone() for parameter in trainer.model.parameters()]
    plain = trainer.forward
    trainer.forward = lambda batch: plain(batch) * float("nan")
    trainer.step(1, 0.1)
    assert all(torch.equal(a, b) for a, b in zip(before, trainer.model.parameters(), strict=True))
    trainer.forward = plain
    trainer.step(2, 0.2)
    assert all(torch.isfinite(parameter).all() for parameter in trainer.model.parameters())


def test_averages_follow_all_that_is_learnt(tmp_path: Path) -> None:
    trainer = _trainer(tmp_path, "--layers=1,1,1,1", "--width=8", "--ema=0.5")
    trainer.step(0, 0.0)
    kept = {name: value.clone() for name, value in trainer.averaged.state_dict().items()}
    trainer.step(100, 0.1)
    now = trainer.model.state_dict()
    statistics = [name for name in kept if "running_mean" in name]
    assert statistics
    for name in (*statistics, "text_projection", "logit_scale"):
        expected = (kept[name] + now[name]) / 2
        assert torch.allclose(trainer.averaged.state_dict()[name], expected, atol=1e-6)


def test_a_resnet_is_written_and_read(tmp_path: Path) -> None:
    trainer = _trainer(tmp_path, "--layers=1,1,1,1", "--width=8")
    trainer.step(0, 0.0)
    save_folder(trainer.averaged, trainer.config, tmp_path / "out")
    model = load_folder(tmp_path / "out")
    pictures = read_pictures(tmp_path / "data")
    chosen = pictures.instances[:5]
    made = encode_crops(model, pictures, chosen["picture"], *frames(chosen))
    expected = encode_crops(trainer.averaged, pictures, chosen["picture"], *frames(chosen))
    assert made.shape == (5, 32)
    assert torch.allclose(made, expected, atol=2e-2)
    assert model.visual.bn1.num_batches_tracked == 0


def test_statistics_are_counted_anew(tmp_path: Path) -> None:
    """The mean over all batches, whatever was there before; and what is not a number is not written."""
    trainer = _trainer(tmp_path, "--layers=1,1,1,1", "--width=8")
    model = trainer.averaged
    model.visual.bn1.running_mean.fill_(float("nan"))
    with pytest.raises(ValueError, match=r"not all weights are finite: visual\.bn1\.running_mean"):
        save_folder(model, trainer.config, tmp_path / "out")
    batches = [torch.randn(6, 3, 32, 32) + shift for shift in (0.0, 3.0)]
    recalibrate(model, batches)
    seen = torch.cat([model.visual.conv1(batch) for batch in batches])
    assert torch.allclose(model.visual.bn1.running_mean, seen.mean(dim=(0, 2, 3)), atol=1e-5)
    assert not any(module.training for module in model.modules())
    assert model.visual.bn1.momentum == trainer.model.visual.bn1.momentum
    save_folder(model, trainer.config, tmp_path / "out")


def test_statistics_and_figures_can_be_made_again(tmp_path: Path) -> None:
    """Without training: other statistics, the same parameters, a card that still says what was trained on."""
    data = write_scenes(tmp_path / "data", scenes=13)
    out = tmp_path / "out"
    shared = [str(data), "--out", str(out), *TINY, "--layers=1,1,1,1", "--width=8", "--batch=8", "--device=cpu"]
    with pytest.raises(SystemExit, match=r"training\.json is missing"):
        train.main([*shared, "--evaluate-only"])
    train.main([*shared, "--steps=2", "--calibration=1"])
    assert json.loads((out / "training.json").read_text())["steps"] == 2
    before = load_folder(out).state_dict()
    train.main([*shared, "--recalibrate-only", "--calibration=3", "--seed=5", "--scenes=12"])
    after = load_folder(out).state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed
    assert all("running_" in name or "num_batches" in name for name in changed)
    assert "in 2 steps on" in (out / "CARD.md").read_text()


class _Watch(TorchDispatchMode):
    """Notes the operations of a step that a CUDA graph could not hold: waits, and shapes that depend on values."""

    def __init__(self) -> None:
        super().__init__()
        self.forbidden: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        name = func._schema.name.removeprefix("aten::")
        by_mask = name in ("index", "index_put", "index_put_") and any(
            isinstance(index, torch.Tensor) and index.dtype in (torch.bool, torch.uint8) for index in args[1]
        )
        waits = ("_local_scalar_dense", "nonzero", "masked_select", "is_nonzero", "lift_fresh", "_unique2", "item")
        if by_mask or name in waits:
            self.forbidden.append(name)
        drawn = name.startswith(("rand", "bernoulli", "uniform", "normal_", "native_dropout"))
        if drawn and "generator" not in func._overloadname:
            self.forbidden.append(f"{name} without the sampler's generator")
        made = name in ("arange", "zeros", "ones", "full", "eye", "linspace", "scalar_tensor", "rand", "randn")
        if made and (kwargs or {}).get("device") is None:
            self.forbidden.append(f"{name} without a device")
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("more", [(), ("--layers=1,1,1,1", "--width=8")])
def test_nothing_in_a_step_waits_for_the_device(tmp_path: Path, more: tuple[str, ...]) -> None:
    trainer = _trainer(tmp_path, *more)
    trainer.step(0, 0.0)
    with _Watch() as watch:
        trainer.update()
    # The fused optimiser on a CPU reads its rate; that on CUDA takes it as a tensor.
    assert watch.forbidden == []


class _Graphs:
    """As `StepGraphs` would, without CUDA: runs the step, or fails to record it."""

    def __init__(self, works: bool) -> None:
        self.works, self.runs = works, 0

    def run(self, phase: str, step: Any) -> dict:
        self.runs += 1
        if not self.works:
            raise RuntimeError("operation not permitted when stream is capturing")
        return step()


@pytest.mark.parametrize("works", [True, False])
def test_a_step_is_recorded_or_goes_on_without(
    works: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trainer, graphs = _trainer(tmp_path), _Graphs(works)
    monkeypatch.setattr(trainer, "_graphs", graphs)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    before = trainer.model.text_projection.detach().clone()
    for number in range(11):
        trainer.step(number, number / 11)
    assert graphs.runs == (3 if works else 1)
    assert ("is not recorded: RuntimeError: operation not permitted" in capsys.readouterr().out) != works
    steps = {int(state["step"]) for state in trainer.optimizer.state.values()}
    assert steps == {11}
    assert not torch.equal(before, trainer.model.text_projection)


def _trainer(folder: Path, *more: str) -> Trainer:
    pictures = read_pictures(write_scenes(folder / "data", scenes=3))
    given = [str(folder), "--out", str(folder), *TINY, "--batch=8", "--steps=9", "--device=cpu", *more]
    return Trainer(train.arguments(given), pictures, build_captions(pictures.identities), torch.device("cpu"))


def test_auroc_and_frames() -> None:
    assert auroc(np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True])) == 0.75
    instances = np.zeros(1, [("box", "i4", (4,))])
    instances["box"] = (10, 20, 50, 40)
    left, top, side = frames(instances)
    assert (left[0], top[0], side[0]) == (5, 5, 50)


def _tiny_config() -> dict:
    return model_config(image_size=32, patch_size=8, width=64, layers=2, embed_dim=32, text_width=32, text_layers=1)
