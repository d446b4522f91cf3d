"""Losses by law, prompts against the labels that they were drawn from, and a short training from files to a folder."""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.training_masks.fake_mask_scenes import write_mask_scenes
from torch.utils._python_dispatch import TorchDispatchMode
from training.masks import evaluate, pack, train
from training.masks.card import EVERYTHING, write_card
from training.masks.data import Store, Watcher, load_scene, read_scenes
from training.masks.draw import Drawer
from training.masks.evaluate import candidates_of, middle_of, overlaps
from training.masks.fast import as_pictures
from training.masks.loop import Trainer, rate_share
from training.masks.losses import agreement_loss, mask_losses
from training.masks.muon import orthogonalised
from training.masks.prompts import EQUALS, PART, THING, Counts, Prompter
from training.mini.data import read_pictures
from transformers import SamModel

from langfield.encoders.masks.base import EverythingSettings
from langfield.encoders.masks.everything import best
from langfield.encoders.masks.frame import ModelFrame

TINY = [
    *("--image-size=64", "--width=32", "--layers=2", "--heads=2", "--window=4", "--global-layers", "1"),
    *("--decoder-width=32", "--batch=2", "--warmup=5", "--device=cpu", "--log-every=2", "--agreeing-cells=32"),
]


def _args(tmp_path: Path, *more: str) -> argparse.Namespace:
    return train.arguments([str(tmp_path / "scenes"), "--out", str(tmp_path / "out"), *TINY, *more])


def _drawn_prompter(tmp_path: Path) -> tuple[torch.Tensor, Prompter]:
    args = _args(tmp_path)
    store, _ = train.filled_store(read_scenes([write_mask_scenes(tmp_path / "scenes", range(1, 9))]), None, args)
    generator = torch.Generator().manual_seed(0)
    labels = Drawer(store, 64, generator).batch(8).labels
    return labels, Prompter(Counts(), 8, generator)


def test_mask_loss_is_least_where_the_share_is_met() -> None:
    truth = torch.tensor([[0.0, 0.25, 1.0, 1.0, 0.0, 0.0]])
    right = torch.logit(truth, eps=1e-6)
    loss, iou = mask_losses(right, truth)
    assert iou.tolist() == [1.0]
    for off in (-right, right + 1, right - 1, torch.zeros_like(right)):
        assert mask_losses(off, truth)[0] > loss
    nothing = mask_losses(torch.full((1, 6), -20.0), torch.zeros(1, 6))[0]
    assert nothing.item() == pytest.approx(0, abs=1e-4)


def test_agreement_is_met_by_one_direction_a_thing() -> None:
    label = torch.tensor([[0, 0, 1, 1, -1]])
    apart = torch.eye(4)[torch.tensor([[0, 0, 1, 1, 2]])]
    mixed = torch.eye(4)[torch.tensor([[0, 1, 0, 1, 2]])]
    assert agreement_loss(apart, label) < 1e-3 < agreement_loss(mixed, label)
    unlike = apart.clone()
    unlike[0, 4] = apart[0, 0]  # what shows nothing is not counted
    assert torch.equal(agreement_loss(apart, label), agreement_loss(unlike, label))


@pytest.mark.parametrize("shape", [(3, 8, 20), (2, 20, 8), (1, 16, 16)])
def test_orthogonalised_keeps_directions_and_levels_lengths(shape: tuple[int, int, int]) -> None:
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    left, _, right = torch.linalg.svd(matrices, full_matrices=False)
    near = left.mT @ orthogonalised(matrices) @ right.mT
    sizes = near.diagonal(dim1=1, dim2=2)
    assert (sizes > 0.4).all()
    assert (sizes < 1.4).all()
    assert (near - torch.diag_embed(sizes)).abs().max() < 1e-3


def test_prompts_ask_for_what_they_lie_on(tmp_path: Path) -> None:
    labels, prompter = _drawn_prompter(tmp_path)
    for _ in range(3):
        prompts = prompter.draw(labels)
        truth = as_pictures(prompts.truth.float())  # (B, P, 4, 32, 32)
        for b in range(8):
            for q, (x, y) in enumerate(prompts.clicks[b, :, 0].long().tolist()):
                keys = labels[:, b, y, x]
                assert (prompts.weight[b, q] > 0) == (keys[THING] >= 0)
                for token, level in ((0, THING), (1, PART), (2, THING), (3, EQUALS)):
                    true = (labels[level, b] == keys[level]).float()
                    assert torch.equal(truth[b, q, token], torch.nn.functional.avg_pool2d(true[None], 2)[0])
                assert (truth[b, q, 1] <= truth[b, q, 2]).all()
                assert (truth[b, q, 2] <= truth[b, q, 3]).all()


def test_boxes_go_round_their_masks(tmp_path: Path) -> None:
    labels, prompter = _drawn_prompter(tmp_path)
    prompts = prompter.draw(labels)
    clicks = prompts.clicks.shape[1]
    masks = as_pictures(prompts.truth.float())[:, clicks : clicks + 3, 0] > 0
    for box, mask in zip(prompts.boxes.flatten(0, 1), masks.flatten(0, 1), strict=True):
        ys, xs = (torch.nonzero(mask.any(axis)).flatten() * 2 for axis in (1, 0))
        true = torch.stack([xs[0], ys[0], xs[-1] + 2, ys[-1] + 2])
        size = (true[2:] - true[:2]).repeat(2)
        assert ((box - true).abs() <= 0.1 * size + 1).all()  # a tenth, and half a mask pixel


def test_several_clicks_lie_on_their_side(tmp_path: Path) -> None:
    labels, prompter = _drawn_prompter(tmp_path)
    prompts = prompter.draw(labels)
    masks = as_pictures(prompts.truth.float())[:, -2:, 0]
    seen = set()
    for b in range(8):
        for q in range(2):
            for (x, y), label in zip(prompts.several[b, q].long().tolist(), prompts.several_labels[b, q], strict=True):
                seen.add(int(label))
                if prompts.weight[b, -2 + q] > 0 and label >= 0:
                    share = masks[b, q, y // 2, x // 2]
                    assert share > 0 if label == 1 else share < 1
    assert seen == {-10, 0, 1}


def test_middle_is_the_inmost_pixel() -> None:
    mask = np.zeros((20, 30), bool)
    mask[2:9, 20:27] = True
    mask[5, 3:20] = True
    assert middle_of(mask) == (23, 5)


def _kept(logits: torch.Tensor, said: torch.Tensor) -> list[int]:
    """Which candidates everything mode keeps of one picture, the surest first; no two said IoUs are the same."""
    side = logits.shape[-1]
    frame = ModelFrame.padded(side, side, side)
    found = best(candidates_of(logits, said), frame, EverythingSettings(**EVERYTHING))
    return [said.tolist().index(value) for value in found.predicted_iou.tolist()]


def _kept_one_after_another(logits: torch.Tensor, said: torch.Tensor) -> list[int]:
    """The plain twin of `best`, for candidates that are all sure and stable."""
    ious = overlaps(logits > 0, logits > 0)
    kept: list[int] = []
    for row in sorted(range(len(said)), key=lambda k: -float(said[k])):
        if bool((ious[row, kept] <= EVERYTHING["max_overlap_iou"]).all()):
            kept.append(row)
    return kept


def test_a_thing_that_few_candidates_show_outlives_thousands_of_another() -> None:
    """3,000 candidates: all but one, which is the least sure, are of one place."""
    logits, said = torch.full((3000, 16, 16), -9.0), torch.linspace(0.95, 0.7, 3000)
    logits[:-1, 2:10, 2:10] = 9
    logits[-1, 12:, 12:] = 9
    assert _kept(logits, said) == [0, 2999]


def test_everything_keeps_what_one_after_another_would() -> None:
    generator = torch.Generator().manual_seed(0)
    logits, said = torch.full((200, 16, 16), -9.0), 0.6 + 0.4 * torch.rand(200, generator=generator)
    places = torch.randint(0, 8, (200, 4), generator=generator)
    for candidate, (x, y, width, height) in enumerate(places.tolist()):
        logits[candidate, y : y + height + 1, x : x + width + 1] = 9
    kept = _kept(logits, said)
    assert kept == _kept_one_after_another(logits, said)
    assert 20 < len(kept) < 200


def test_everything_leaves_out_what_is_unsure_or_unstable() -> None:
    logits, said = torch.full((3, 16, 16), -9.0), torch.tensor([0.35, 0.8, 0.9])
    logits[0, :4, :4], logits[1, 6:10, 6:10], logits[2, 12:, 12:] = 9, 9, 0.5  # 0.5 is within the offset of stability
    assert _kept(logits, said) == [1]


def test_pack_keeps_parts_and_mini_reads_it(tmp_path: Path) -> None:
    scenes = write_mask_scenes(tmp_path / "scenes", range(3))
    pack.main([str(scenes), str(tmp_path / "packed"), "--processes", "1"])
    before, after = read_scenes([scenes]), read_scenes([tmp_path / "packed"])
    assert [scene.number for scene in after] == [0, 1, 2]
    for one, other in zip(before, after, strict=True):
        assert np.array_equal(one.ids, other.ids)
        assert np.array_equal(one.parts, other.parts)
        assert np.array_equal(one.alike, other.alike)
        assert np.abs(one.rgb.astype(int) - other.rgb).mean() < 12
    assert after[0].parts.any()
    assert after[0].alike[13] == after[0].alike[14] > 0 == after[0].alike[12]
    assert read_pictures(tmp_path / "packed").ids.shape == (6, 60, 80)


def test_scene_without_parts_or_equals_asks_for_things_only(tmp_path: Path) -> None:
    scenes = read_scenes([write_mask_scenes(tmp_path / "scenes", range(1, 3), old=True)])
    store, _ = train.filled_store(scenes, None, _args(tmp_path))
    labels = Drawer(store, 64, torch.Generator().manual_seed(0)).batch(4).labels
    assert torch.equal(labels[THING], labels[EQUALS])
    for b in range(4):
        pairs = torch.stack([labels[PART, b], labels[THING, b]]).flatten(1).unique(dim=1)
        assert pairs.shape[1] == labels[THING, b].unique().numel()


def test_watcher_takes_in_what_appears_and_outlives_damage(tmp_path: Path) -> None:
    scenes = write_mask_scenes(tmp_path / "scenes", range(1, 3))
    watcher = Watcher([scenes], {1}, every_s=0.02)
    (scenes / "00007.npz").write_bytes(b"no archive")
    write_mask_scenes(scenes, range(5, 6))
    found: set[int] = set()
    deadline = time.monotonic() + 30
    while found != {2, 5} and time.monotonic() < deadline:
        found |= {scene.number for scene in watcher.arrived()}
        time.sleep(0.02)
    watcher.close()
    assert found == {2, 5}
    store = Store(60, 80, capacity=3, device=torch.device("cpu"))
    scene = load_scene(pack.sources_of(scenes)[0])
    assert store.add(scene)
    assert not store.add(scene)  # no room for two more
    assert (store.pictures, int(store.count), store.scenes) == (2, 2, 1)


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
        if name.startswith(("rand", "bernoulli", "multinomial")) and "generator" not in func._overloadname:
            self.forbidden.append(f"{name} without the step's generator")
        if name in ("arange", "zeros", "ones", "full", "eye", "rand", "randn") and (kwargs or {}).get("device") is None:
            self.forbidden.append(f"{name} without a device")
        return func(*args, **(kwargs or {}))


def test_nothing_in_a_step_waits_for_the_device(tmp_path: Path) -> None:
    write_mask_scenes(tmp_path / "scenes", range(1, 3))
    args = _args(tmp_path)
    store, _ = train.filled_store(read_scenes(args.data), None, args)
    trainer = Trainer(args, store, torch.device("cpu"))
    trainer.step(0, 0.0)
    with _Watch() as watch:
        trainer.update()
    assert watch.forbidden == []


def test_two_runs_make_one_schedule(tmp_path: Path) -> None:
    write_mask_scenes(tmp_path / "scenes", range(1, 3))
    args = _args(tmp_path, "--steps=4", "--part", "0.5", "1.0")
    store, _ = train.filled_store(read_scenes(args.data), None, args)
    trainer = Trainer(args, store, torch.device("cpu"))
    fractions: list[float] = []
    trainer.step = lambda number, fraction: fractions.append(fraction)
    trainer.warm_up = lambda: None
    trainer.train()
    assert fractions == [0.5, 0.625, 0.75, 0.875]
    shares = [rate_share(f) for f in (0.0, 0.4, 0.8, 1.0)]
    assert shares == sorted(shares, reverse=True)
    assert (shares[0], shares[-1]) == (1.0, pytest.approx(0.01))


def test_training_from_files_to_a_folder(tmp_path: Path) -> None:
    write_mask_scenes(tmp_path / "scenes", range(3), views=1)
    first = _args(tmp_path)
    train.main([str(tmp_path / "scenes"), "--out", str(first.out), *TINY, "--steps=40", "--evaluated=1"])
    record = json.loads((first.out / "training.json").read_text())
    losses = [line["loss"] for line in record["log"]]
    assert np.mean(losses[-4:]) < 0.8 * np.mean(losses[:2])
    assert (record["steps"], record["pictures"], record["scenes"]) == (40, 2, 2)
    figures = json.loads((first.out / "figures.json").read_text())["held-out scenes"]
    assert figures["pictures"] == 1
    (first.out / "CARD.md").unlink()
    evaluate.main([str(first.out), str(tmp_path / "scenes"), "--pictures=1", "--device=cpu", "--card"])
    assert json.loads((first.out / "figures.json").read_text())["held-out scenes"] == figures
    assert "40 steps" in (first.out / "CARD.md").read_text()
    card = json.loads((first.out / "langfield_card.json").read_text())
    assert (card["licence"], card["everything"]["points_per_side"], card["prompt_zoom"]) == ("Apache-2.0", 24, 3.0)
    assert 0 <= figures["click_thing"] <= figures["click_best_of_3"] <= 1
    assert 0 <= figures["click_zoomed"] <= 1
    assert "then" not in (first.out / "CARD.md").read_text()
    assert SamModel.from_pretrained(first.out).vision_encoder.image_size == 64
    again = [str(tmp_path / "scenes"), "--out", str(tmp_path / "again"), *TINY, "--steps=2", "--evaluated=1"]
    train.main([*again, "--start", str(first.out), "--part", "0.9", "1"])
    log = json.loads((tmp_path / "again" / "training.json").read_text())["log"]
    assert log[0]["loss"] < 0.8 * losses[0]
    said = (tmp_path / "again" / "CARD.md").read_text()
    assert "42 steps on 2 rendered pictures of 2 synthetic scenes, then 2 rendered pictures" in said


def test_the_card_says_which_goals_are_reached_and_what_was_not_measured(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"")
    record = {"steps": 10, "pictures": 3000, "scenes": 20}
    write_card(tmp_path, {"a": {"things": 7, "click_zoomed": 0.8}, "b": {"things": 9, "click_zoomed": 0.9}}, record)
    said = (tmp_path / "CARD.md").read_text()
    assert "asked again in a crop: the goal is 0.85; not reached." in said
    assert "the goal is 0.80; not measured, so not shown to be reached." in said
    assert "Not measured: " in said
    assert "| everything: things found" not in said
    figures = {"a": {"things": 7, "click_zoomed": 0.9, "recall_75": 0.8, "click_part": None}}
    write_card(tmp_path, figures, record)
    said = (tmp_path / "CARD.md").read_text()
    assert said.count("; reached.") == 2
    assert "| everything: things found with an IoU of .75 | 0.800 |" in said
    assert 'candidate "part" of things with parts | none |' in said
