"""SAM and SAM 2 against transformers' own models and processors, with tiny random weights."""

import builtins
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.encoders.tiny_sam import SIDE_PX, add_card, write_tiny

from langfield.core.errors import DataError, UsageError, WeightsError
from langfield.encoders.masks import builtin, sam
from langfield.encoders.masks.base import EverythingSettings, MaskProposer, PromptableImage
from langfield.encoders.masks.builtin import load_sam_with_card
from langfield.encoders.masks.everything import best
from langfield.encoders.masks.sam import SamImage, SamProposer, grid_points, load_sam
from langfield.encoders.masks.sam_attention import attend
from langfield.encoders.masks.sam_weights import find_sam
from langfield.encoders.registry import load_masks

CPU = torch.device("cpu")
FAMILIES = ("sam", "sam2")
SHAPES = ((48, 72), (90, 50), (SIDE_PX, SIDE_PX))
KEEP_MOST = EverythingSettings(points_per_side=6, min_predicted_iou=-100, min_stability=0, max_overlap_iou=0.95)


@pytest.fixture(autouse=True)
def float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some CPUs run encoders in bfloat16; what is compared here is the arithmetic."""
    monkeypatch.setattr("langfield.encoders.masks.sam.compute_dtype", lambda device: torch.float32)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {family: write_tiny(family, tmp_path_factory.mktemp(family)) for family in FAMILIES}


def picture(height: int, width: int, seed: int = 2) -> torch.Tensor:
    """Smooth blotches, so that resizing and masks have something to show."""
    coarse = torch.rand(1, 3, 6, 8, generator=torch.Generator().manual_seed(seed))
    fine = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1)
    return (fine[0].permute(1, 2, 0) * 255).round().to(torch.uint8)


def load(family: str, folder: Path, settings: EverythingSettings | None = None) -> SamProposer:
    return load_sam(f"{family}:local-dir:{folder}", CPU, settings)


def theirs(family: str, folder: Path) -> tuple[Any, Any]:
    """transformers' own model and processor."""
    from transformers import Sam2Model, Sam2Processor, SamModel, SamProcessor

    model, processor = (Sam2Model, Sam2Processor) if family == "sam2" else (SamModel, SamProcessor)
    return model.from_pretrained(folder).eval(), processor.from_pretrained(folder)


def as_theirs(points_px: torch.Tensor, proposer: SamProposer, height: int, width: int) -> list:
    """Points as transformers' processors want them: half a pixel of the model's square further to the top left."""
    frame = proposer.embedded(torch.zeros(height, width, 3, dtype=torch.uint8)).frame
    scale = torch.tensor([frame.used_width_px / width, frame.used_height_px / height])
    return (points_px - 0.5 / scale).tolist()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_photo_is_prepared_as_their_processor_does(family, shape, folders):
    """Within two steps of 255, where a resized colour is rounded the other way twice; most are equal."""
    proposer, (_, processor) = load(family, folders[family]), theirs(family, folders[family])
    image = picture(*shape)
    expected = processor(images=image.numpy(), return_tensors="pt")["pixel_values"]
    frame = proposer.embedded(image).frame
    found = frame.pixels(image[None], proposer._mean, proposer._std)
    assert found.shape == expected.shape
    step = 1 / 255 / proposer._std.min()
    difference = (found - expected).abs()
    assert difference.max() <= 2.01 * step
    assert (difference > 1e-4).float().mean() < 0.15


@pytest.mark.parametrize("family", FAMILIES)
def test_low_masks_and_ious_of_points_are_theirs(family, folders):
    proposer, (model, processor) = load(family, folders[family]), theirs(family, folders[family])
    height, width = SIDE_PX, SIDE_PX
    image, points = picture(height, width), torch.tensor([[[20.5, 30.25], [50.0, 10.0]], [[8.0, 60.5], [33.0, 33.0]]])
    labels = torch.tensor([[1, 0], [1, 1]])
    asked = as_theirs(points, proposer, height, width)
    inputs = processor(images=image.numpy(), input_points=[asked], input_labels=[labels.tolist()], return_tensors="pt")
    with torch.no_grad():
        expected = model(
            **{k: v.float() if v.is_floating_point() else v for k, v in inputs.items() if "sizes" not in k}
        )
    embedded = proposer.embedded(image)
    logits, predicted_iou = proposer.network.decode(embedded.features, embedded.frame.points(points), labels, None)
    torch.testing.assert_close(logits, expected.pred_masks[0], atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(predicted_iou, expected.iou_scores[0], atol=1e-4, rtol=1e-4)
    assert 0.02 < (logits > 0).float().mean() < 0.98


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("kind", ["points", "boxes", "both"])
def test_prompted_masks_are_theirs_at_the_photos_size(family, kind, shape, folders):
    """Of pixels prepared by their processor; but for one in 1000 whose logit is next to zero."""
    proposer, (model, processor) = load(family, folders[family]), theirs(family, folders[family])
    height, width = shape
    image = picture(height, width)
    points = torch.tensor([[[20.5, 30.5]], [[8.0, 40.5]]])
    boxes = torch.tensor([[5.0, 6.0, 30.0, 44.0], [2.0, 3.0, 48.0, 20.0]])
    labels = torch.ones(2, 1, dtype=torch.int64)
    asked: dict[str, Any] = {}
    if kind != "boxes":
        asked |= {"input_points": [as_theirs(points, proposer, height, width)], "input_labels": [labels.tolist()]}
    if kind != "points":
        corners = torch.tensor(as_theirs(boxes.reshape(2, 2, 2), proposer, height, width)).reshape(2, 4)
        asked |= {"input_boxes": [corners.tolist()]}
    inputs = processor(images=image.numpy(), return_tensors="pt", **asked)
    sizes = {name: inputs.pop(name) for name in ("original_sizes", "reshaped_input_sizes") if name in inputs}
    with torch.no_grad():
        said = model(**{name: v.float() if v.is_floating_point() else v for name, v in inputs.items()})
    expected = processor.post_process_masks(said.pred_masks, **sizes)[0]
    if kind == "boxes":
        points, labels = points[:, :0], labels[:, :0]
    features = proposer.network.embed(inputs["pixel_values"])
    embedded = SamImage(proposer.network, features, proposer.embedded(image).frame)
    found = embedded.masks_at(points, labels, None if kind == "points" else boxes)
    assert found.masks.shape == (2, 3, height, width)
    areas = found.masks.flatten(2).sum(2)
    assert (areas.diff(dim=1) >= 0).all()
    for masks, ious, their_masks, their_ious in zip(
        found.masks, found.predicted_iou, expected, said.iou_scores[0], strict=True
    ):
        order = [int((their_ious - iou).abs().argmin()) for iou in ious]  # areas may be next to equal
        assert sorted(order) == [0, 1, 2]
        torch.testing.assert_close(ious, their_ious[order], atol=1e-4, rtol=1e-4)
        assert (masks != their_masks[order]).float().mean() < 1e-3


@pytest.mark.parametrize("family", FAMILIES)
def test_everything_is_sorted_different_and_the_same_twice(family, folders):
    proposer = load(family, folders[family], KEEP_MOST)
    image = picture(48, 72)
    found, again = proposer.propose(image), proposer.propose(image)
    assert isinstance(proposer, MaskProposer)
    assert isinstance(proposer.embed(image), PromptableImage)
    assert len(found.masks) > 1
    assert found.masks.shape[1:] == (48, 72)
    assert found.masks.dtype == torch.bool
    assert (found.predicted_iou.diff() <= 0).all()
    assert found.areas_px.min() > 0
    assert torch.equal(found.masks, again.masks)
    assert torch.equal(found.predicted_iou, again.predicted_iou)
    flat = found.masks.flatten(1)
    assert len(torch.unique(flat, dim=0)) == len(flat)


@pytest.mark.parametrize("family", FAMILIES)
def test_everything_is_what_prompts_say_at_the_grid(family, folders):
    """The masks of everything mode are among those that the same points give one by one."""
    proposer = load(family, folders[family], KEEP_MOST)
    image = picture(48, 72)
    points = grid_points(6, 48, 72, CPU)
    asked = proposer.embed(image).masks_at(points[:, None], torch.ones(36, 1, dtype=torch.int64))
    known = asked.masks.flatten(0, 1).flatten(1).float()
    for mask in proposer.propose(image).masks:
        assert (known - mask.flatten().float()).abs().sum(1).min() <= 2


def test_chunks_change_nothing(folders, monkeypatch):
    proposer = load("sam", folders["sam"], KEEP_MOST)
    image = picture(48, 72)
    whole = proposer.propose(image)
    monkeypatch.setattr("langfield.encoders.masks.sam._CHUNK_BYTES", {"cpu": 1})
    monkeypatch.setattr("langfield.encoders.masks.frame._CHUNK_BYTES", {"cpu": 1})
    apart = proposer.propose(image)
    torch.testing.assert_close(apart.predicted_iou, whole.predicted_iou, atol=1e-5, rtol=1e-5)
    assert (apart.masks != whole.masks).float().mean() < 1e-3


def test_only_what_is_sure_and_said_once_is_kept(folders):
    image = picture(48, 72)
    proposer = load("sam", folders["sam"], KEEP_MOST)
    embedded = proposer.embedded(image)
    found = embedded.candidates(grid_points(6, 48, 72, CPU), 1.0)
    least_iou, least_stability = float(found.predicted_iou.median()), float(found.stability.median())
    chosen = best(found, embedded.frame, EverythingSettings(6, least_iou, least_stability, 1.0, 0.7))
    assert len(chosen.logits) > 0
    assert chosen.predicted_iou.min() >= least_iou
    assert chosen.stability.min() >= least_stability
    everything_sure = best(found, embedded.frame, EverythingSettings(6, least_iou, least_stability, 1.0, 1.0))
    sure = (found.predicted_iou >= least_iou) & (found.stability >= least_stability)
    assert len(chosen.logits) < len(everything_sure.logits) == int(sure.sum()) < len(found.logits)


def test_nothing_sure_is_no_mask(folders):
    found = load("sam", folders["sam"], EverythingSettings(4, 1.0, 1.0, 50.0, 0.7)).propose(picture(48, 72))
    assert found.masks.shape == (0, 48, 72)
    assert found.areas_px.shape == (0,)


def test_no_prompts_are_no_masks(folders):
    embedded = load("sam", folders["sam"]).embed(picture(48, 72))
    found = embedded.masks_at(torch.zeros(0, 1, 2), torch.zeros(0, 1, dtype=torch.int64))
    assert found.masks.shape == (0, 3, 48, 72)


def test_the_card_knows_weights_and_settings(folders, tmp_path):
    folder = shutil.copytree(folders["sam"], tmp_path / "other")
    plain, other = load("sam", folders["sam"]).card, load("sam", folder)
    assert other.card.identity() == plain.identity()
    assert plain.input_size_px == SIDE_PX
    assert plain.parameters == sum(p.numel() for p in theirs("sam", folder)[0].parameters())
    weights = load_file(folder / "model.safetensors")
    weights["mask_decoder.iou_token.weight"] += 1
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    assert load("sam", folder).card.weights_sha256 != plain.weights_sha256
    assert load("sam", folder, KEEP_MOST).card.config_sha256 != plain.config_sha256


def test_a_folder_with_a_card_of_our_own(folders, tmp_path):
    folder = shutil.copytree(folders["sam"], tmp_path / "masks")
    add_card(folder, points_per_side=16, min_predicted_iou=0.5)
    proposer = load_sam_with_card(folder, "builtin:masks", CPU)
    assert proposer.settings == EverythingSettings(points_per_side=16, min_predicted_iou=0.5)
    assert proposer.card.spec == "builtin:masks"
    assert proposer.card.licence == "Apache-2.0"
    add_card(folder, point_per_side=16)
    with pytest.raises(DataError, match="point_per_side"):
        load_sam_with_card(folder, "builtin:masks", CPU)


def test_what_is_missing_is_said_in_one_line(folders, tmp_path):
    for spec, message in {
        "sam:facebook/sam-vit-base": "not on this machine.*sam:local-dir:FOLDER",
        "sam2:facebook/sam2.1-hiera-tiny": "not on this machine.*sam2:local-dir:FOLDER",
        f"sam:local-dir:{tmp_path}/nowhere": "no such folder",
        f"sam:local-dir:{tmp_path}": "no config.json",
        f"sam2:local-dir:{folders['sam']}": "model_type is 'sam'",
    }.items():
        with pytest.raises(WeightsError, match=message) as caught:
            load_masks(spec)
        assert "\n" not in str(caught.value)


def test_the_bundled_one_is_found_or_missed(monkeypatch, folders, tmp_path):
    monkeypatch.setattr(builtin, "files", lambda package: tmp_path)
    with pytest.raises(WeightsError, match="not in this copy of langfield"):
        load_masks("builtin:masks")
    add_card(shutil.copytree(folders["sam"], tmp_path / "builtin_weights" / "masks"))
    assert load_masks("builtin:masks").card.spec == "builtin:masks"


def test_weights_that_are_torn_or_too_few(folders, tmp_path):
    folder = shutil.copytree(folders["sam"], tmp_path / "torn")
    weights = load_file(folder / "model.safetensors")
    del weights["mask_decoder.iou_token.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(WeightsError, match=r"lacks mask_decoder\.iou_token"):
        load("sam", folder)
    (folder / "model.safetensors").write_bytes((folders["sam"] / "model.safetensors").read_bytes()[:-100])
    with pytest.raises(WeightsError, match=r"model\.safetensors"):
        load("sam", folder)
    (folder / "model.safetensors").unlink()
    with pytest.raises(WeightsError, match=r"no model\.safetensors"):
        load("sam", folder)


def test_configurations_that_cannot_be(folders, tmp_path):
    folder = shutil.copytree(folders["sam"], tmp_path / "config")
    (folder / "processor_config.json").unlink()
    (folder / "preprocessor_config.json").write_text(json.dumps({"size": {"longest_edge": 128}}))
    with pytest.raises(WeightsError, match="128 px"):
        load("sam", folder)
    (folder / "preprocessor_config.json").unlink()
    assert load("sam", folder).card.input_size_px == SIDE_PX
    (folder / "config.json").write_text('{"model_type": "sam", "vision_config": {"hidden_size": "wide"}}')
    with pytest.raises(WeightsError, match="makes no model"):
        load("sam", folder)


def test_random_sizes_are_by_name():
    with pytest.raises(UsageError, match="sam-vit-base, sam-vit-large"):
        load_masks("sam:sam-vit-tiny/random")
    with pytest.raises(UsageError, match="ORG/NAME"):
        load_masks("sam:sam-vit-base")
    with pytest.raises(UsageError, match="there is builtin:masks"):
        load_masks("builtin:mini")


@pytest.mark.parametrize(
    ("spec", "millions"),
    [
        ("sam:facebook/sam-vit-base/random", 93.7),
        ("sam:sam-vit-large/random", 312.3),
        ("sam:sam-vit-huge/random", 641.1),
        ("sam2:sam2.1-hiera-tiny/random", 38.9),
        ("sam2:sam2.1-hiera-small/random", 46.0),
        ("sam2:sam2.1-hiera-base-plus/random", 80.8),
        ("sam2:sam2.1-hiera-large/random", 224.4),
    ],
)
def test_random_weights_have_the_published_size(spec, millions):
    """SAM 2's published sizes count its memory of videos, too: 3 to 13 million that single pictures do not need."""
    from transformers import Sam2Config, Sam2Model, SamConfig, SamModel

    source = find_sam(spec)
    config, model = (Sam2Config, Sam2Model) if source.family == "sam2" else (SamConfig, SamModel)
    with torch.device("meta"):
        counted = sum(p.numel() for p in model(config.from_dict(dict(source.config))).parameters()) / 1e6
    assert source.weights is None
    if source.family == "sam":
        assert counted == pytest.approx(millions, abs=0.1)
    else:
        assert millions - 13 < counted < millions - 3


def test_without_the_extra_it_says_what_to_install(monkeypatch):
    whole = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.split(".")[0] in ("transformers", "skimage"):
            raise ImportError(name)
        return whole(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    for spec in ("sam:sam-vit-base/random", "superpixels"):
        with pytest.raises(UsageError, match=r"pip install 'langfield\[masks\]'"):
            load_masks(spec)


def test_points_of_the_grid():
    points = grid_points(2, 10, 40, CPU).numpy()
    assert np.array_equal(points, [[10, 2.5], [30, 2.5], [10, 7.5], [30, 7.5]])


def test_tables_of_positions_are_made_once(folders, monkeypatch):
    """transformers stretches the parameters for them: the second photo needs none of that."""
    network = load("sam", folders["sam"]).network
    pixels = torch.randn(1, 3, SIDE_PX, SIDE_PX, generator=torch.Generator().manual_seed(0))
    (first,) = network.embed(pixels)
    monkeypatch.setattr(torch.nn.functional, "interpolate", lambda *given, **settings: pytest.fail("made again"))
    (again,) = network.embed(pixels)
    assert torch.equal(first, again)


@torch.no_grad()
def test_an_encoder_without_tables_says_the_same(folders, monkeypatch):
    """What is put in on a GPU only, on a CPU."""
    layers: list[Any] = []
    monkeypatch.setattr(sam, "attend", lambda attention, places: layers.append(attention) or attend(attention, places))
    model, _ = theirs("sam", folders["sam"])
    pixels = torch.randn(2, 3, SIDE_PX, SIDE_PX, generator=torch.Generator().manual_seed(0))
    expected = model.vision_encoder(pixels)[0]
    for layer in model.vision_encoder.layers:
        sam._without_tables(layer, torch.device("cuda"))
    torch.testing.assert_close(model.vision_encoder(pixels)[0], expected, atol=1e-5, rtol=1e-4)
    assert layers == [layer.attn for layer in model.vision_encoder.layers]
