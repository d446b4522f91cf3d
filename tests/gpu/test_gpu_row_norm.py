"""Layer normalisation of narrow rows on a GPU, and SAM's decoder with it, beside torch's and transformers' own."""

import pytest
import torch
from tests.encoders.tiny_sam import write_tiny

from langfield.encoders.masks.sam import load_sam
from langfield.ops.row_norm import reference, row_norm


@pytest.mark.parametrize("shape", [(1, 32), (1000, 7, 32), (70_001, 128), (9, 256), (12, 100), (3, 2000)])
@pytest.mark.parametrize("gelu", [False, True])
def test_rows_are_the_references(shape: tuple[int, ...], gelu: bool):
    generator = torch.Generator(device="cuda").manual_seed(0)
    values = 2 + 3 * torch.randn(shape, generator=generator, device="cuda")
    weight, bias = torch.randn(2, shape[-1], generator=generator, device="cuda")
    expected = reference.row_norm(values, weight, bias, 1e-6, gelu)
    torch.testing.assert_close(row_norm(values, weight, bias, 1e-6, gelu), expected, rtol=1e-4, atol=2e-5)
    half = row_norm(values.half(), weight.half(), bias.half(), 1e-6, gelu)
    assert half.dtype == torch.float16
    torch.testing.assert_close(half.float(), expected, rtol=5e-3, atol=2e-2)


def test_the_decoder_is_transformers(tmp_path):
    from transformers import SamModel

    folder = write_tiny("sam", tmp_path)
    network, theirs = (
        load_sam(f"sam:local-dir:{folder}", torch.device("cuda")).network,
        SamModel.from_pretrained(folder),
    )
    theirs = theirs.eval().cuda()
    side = theirs.config.vision_config.image_size
    pixels = torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(0)).cuda()
    points = side * torch.rand(50, 2, 2, generator=torch.Generator().manual_seed(1)).cuda()
    labels = torch.ones(50, 2, dtype=torch.long, device="cuda")
    with torch.no_grad():
        expected = theirs(pixels, input_points=points[None], input_labels=labels[None], multimask_output=True)
    logits, predicted_iou = network.decode(network.embed(pixels), points, labels, None)
    scale = expected.pred_masks[0].std()
    torch.testing.assert_close(logits.float() / scale, expected.pred_masks[0] / scale, rtol=0, atol=0.1)
    torch.testing.assert_close(predicted_iou, expected.iou_scores[0], rtol=0, atol=0.02)
