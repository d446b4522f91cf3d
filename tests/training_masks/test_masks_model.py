"""The quick forward pass gives what transformers' own gives, before and after a folder."""

from pathlib import Path

import pytest
import torch
from torch import Tensor
from training.masks.fast import Fast, as_pictures, cells_first
from training.masks.model import build_model, load_folder, model_config, parameter_count, processor_of, save_folder
from transformers import SamConfig, SamImageProcessor, SamModel


def _config() -> SamConfig:
    return model_config(64, 8, width=32, layers=3, heads=2, window=4, global_layers=(1,), decoder_width=32)


def _trained() -> SamModel:
    """A model whose every trained weight, zeros and ones too, is somewhere else."""
    model = build_model(_config()).eval()
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.2 * torch.randn_like(parameter))
    return model


def _click(count: int) -> tuple[Tensor, Tensor]:
    return torch.rand(2, 3, count, 2) * 64, torch.ones(2, 3, count, dtype=torch.long)


def test_fast_forward_is_transformers_forward() -> None:
    model = _trained()
    pixels = torch.randn(2, 3, 64, 64)
    points, labels = _click(2)
    fast = Fast(model, torch.float32)
    with torch.no_grad():
        embedding = fast.encode(pixels)
        expected = model.get_image_embeddings(pixels)
        torch.testing.assert_close(embedding.mT.reshape_as(expected), expected, rtol=1e-4, atol=1e-4)
        logits, iou = fast.decode(embedding, model.prompt_encoder(points, labels, None, None)[0])
        for tokens, several in ((slice(1, None), True), (slice(0, 1), False)):
            said = model(pixel_values=pixels, input_points=points, input_labels=labels, multimask_output=several)
            assert said.pred_masks.std() > 0.1  # else equal masks would say little
            masks = as_pictures(logits)[:, :, tokens]
            torch.testing.assert_close(masks, said.pred_masks, rtol=1e-3, atol=1e-3)
            torch.testing.assert_close(iou[:, :, tokens], said.iou_scores, rtol=1e-4, atol=1e-4)


def test_fast_forward_of_boxes() -> None:
    model = _trained()
    pixels, boxes = torch.randn(2, 3, 64, 64), torch.tensor([[[4.0, 6, 30, 50]], [[10, 2, 60, 20]]])
    fast = Fast(model, torch.float32)
    with torch.no_grad():
        logits, _ = fast.decode(fast.encode(pixels), model.prompt_encoder(None, None, boxes, None)[0])
        said = model(pixel_values=pixels, input_boxes=boxes, multimask_output=False)
    torch.testing.assert_close(as_pictures(logits)[:, :, :1], said.pred_masks, rtol=1e-3, atol=1e-3)


def test_order_of_cells_round_trip() -> None:
    pictures = torch.arange(2 * 32 * 32).view(2, 32, 32).float()
    assert torch.equal(as_pictures(cells_first(pictures, 8)[..., 0]), pictures)
    means = as_pictures(cells_first(pictures, 4).mean(-1))
    assert torch.equal(means, torch.nn.functional.avg_pool2d(pictures, 2))


def test_folder_is_transformers_folder(tmp_path: Path) -> None:
    model = _trained()
    path = save_folder(model, tmp_path)
    theirs, ours = SamModel.from_pretrained(tmp_path), load_folder(tmp_path).eval()
    assert theirs.dtype == torch.float32
    assert path.stat().st_size < 2 * parameter_count(model) + 60_000
    pixels = torch.randn(2, 3, 64, 64)
    points, labels = _click(1)
    with torch.no_grad():
        first, second, third = (
            m(pixel_values=pixels, input_points=points, input_labels=labels).pred_masks for m in (model, theirs, ours)
        )
    assert torch.equal(second, third)
    assert (first - second).abs().max() < 0.02 * first.std()  # float16's rounding
    picture = torch.randint(0, 255, (3, 48, 64), dtype=torch.uint8)
    read = SamImageProcessor.from_pretrained(tmp_path)(picture, return_tensors="pt")
    assert read["pixel_values"].shape == (1, 3, 64, 64)
    assert torch.equal(read["pixel_values"], processor_of(model)(picture, return_tensors="pt")["pixel_values"])


def test_folder_is_not_written_with_weights_that_are_no_numbers(tmp_path: Path) -> None:
    model = build_model(_config())
    with torch.no_grad():
        model.mask_decoder.iou_token.weight[0, 0] = torch.nan
    with pytest.raises(ValueError, match="iou_token"):
        save_folder(model, tmp_path)
    assert not (tmp_path / "model.safetensors").exists()


def test_what_comes_with_langfield_is_small_enough() -> None:
    assert parameter_count(build_model(model_config())) < 8_000_000
