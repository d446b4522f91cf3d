"""SAM on a GPU: the kernels of its mask decoder beside the reference in float64, and the whole beside transformers'."""

import pytest
import torch
from tests.encoders.test_sam import picture
from tests.encoders.tiny_sam import write_tiny

from langfield.encoders.masks.builtin import builtin_masks_folder
from langfield.encoders.masks.sam import grid_points, load_sam
from langfield.encoders.registry import load_masks
from langfield.features.streams import side_stream
from langfield.ops.mask_decoder import Upscaling, counts_above, mask_logits, read_image, reference, write_image

CUDA = torch.device("cuda")


@pytest.fixture
def numbers():
    generator = torch.Generator(CUDA).manual_seed(0)
    return lambda *shape: torch.randn(shape, generator=generator, device=CUDA).half()


def assert_close(found: torch.Tensor, expected: torch.Tensor, error: float) -> None:
    """Both rounded to half precision on the way: a mean error of some thousandth, and no outlier."""
    assert found.dtype == torch.float16
    apart = (found.double() - expected).abs() / expected.abs().mean()
    assert apart.mean() < error
    assert apart.max() < 50 * error


@pytest.mark.parametrize(("features", "heads", "tokens"), [(128, 4, 7), (128, 4, 10), (256, 8, 7), (256, 8, 16)])
@pytest.mark.parametrize("side", [20, 48])
@pytest.mark.parametrize("shared", [True, False])
def test_tokens_and_picture_read_each_other(features, heads, tokens, side, shared, numbers):
    prompts, places = 30, side**2
    image, where = numbers(1 if shared else prompts, places, features), numbers(1, places, features)
    known = numbers(prompts, heads, tokens, features) / features**0.5
    bias, said = numbers(prompts, heads, tokens), numbers(prompts, heads, tokens, features)
    weight, shift = numbers(2, features)
    read = read_image(known.flatten(1, 2), image, where)
    assert_close(read, reference.read_image(*(t.double() for t in (known.flatten(1, 2), image, where))), 1e-2)
    given = (image, where, known, bias, said, weight, shift)
    written = reference.write_image(*(t.double() for t in given), 1e-6)
    assert_close(write_image(*given, 1e-6), written, 2e-3)


@pytest.mark.parametrize("features", [128, 256])
@pytest.mark.parametrize("shape", [(48, 48), (7, 9)])
def test_masks_and_what_is_counted_of_them(features, shape, numbers):
    quarter = features // 4
    coarse, fine = numbers(features, features) / features**0.5, numbers(quarter, features // 2) / quarter**0.5
    upscaling = Upscaling(
        coarse, numbers(features), numbers(quarter), numbers(quarter), 1e-6, fine, numbers(features // 2)
    )
    image, masks = numbers(20, shape[0] * shape[1], features), numbers(20, 3, features // 8)
    logits = mask_logits(image, upscaling, masks, *shape)
    exact = Upscaling(*(part.double() if isinstance(part, torch.Tensor) else part for part in upscaling))
    assert_close(logits, reference.mask_logits(image.double(), exact, masks.double(), *shape), 2e-3)
    flat, cuts = logits.flatten(0, 1), (0.5, -0.5)
    for rows, columns in ((4 * shape[0], 4 * shape[1]), (3 * shape[0], 4 * shape[1]), (5, 3)):
        counts = counts_above(flat, rows, columns, cuts)
        assert torch.equal(counts, reference.counts_above(flat, rows, columns, cuts))


def test_a_tiny_model_is_transformers(tmp_path):
    from transformers import SamModel

    folder = write_tiny("sam", tmp_path)
    network, theirs = load_sam(f"sam:local-dir:{folder}", CUDA).network, SamModel.from_pretrained(folder)
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


def test_builtin_masks_are_transformers():
    """In half precision with langfield's attention and decoder, beside transformers' in float32: features that differ
    by a hundredth in the mean, masks in one cell of 300."""
    from transformers import SamModel

    proposer, theirs = load_masks("builtin:masks", CUDA), SamModel.from_pretrained(builtin_masks_folder())
    theirs = theirs.eval().cuda()
    image = picture(288, 384)
    frame = proposer.embedded(image).frame
    pixels = frame.pixels(image[None].cuda(), proposer._mean, proposer._std)
    points = frame.points(grid_points(10, 288, 384, CUDA))[:, None]
    labels = torch.ones(len(points), 1, dtype=torch.long, device=CUDA)
    with torch.no_grad():
        features = theirs.get_image_embeddings(pixels)
        expected = theirs(image_embeddings=features, input_points=points[None], input_labels=labels[None])
    found = proposer.network.embed(pixels)
    assert (found[0].float() - features).abs().mean() < 0.01 * features.abs().mean()
    logits, predicted_iou = proposer.network.decode(found, points, labels, None)
    assert ((logits > 0) != (expected.pred_masks[0] > 0)).float().mean() < 1 / 300
    assert (predicted_iou - expected.iou_scores[0]).abs().max() < 0.03


def test_what_is_begun_aside_is_what_is_done_at_once():
    """Twelve photos, each begun while the one before is chosen from."""
    proposer = load_masks("builtin:masks", CUDA)
    photos = [picture(240, 320, seed=seed).cuda() for seed in range(12)]
    expected = [proposer.propose(photo) for photo in photos]
    begun, found = [], []
    with side_stream(CUDA) as aside:
        for photo in photos:
            begun.append(aside.begun(lambda photo=photo: proposer.begin(photo)))
            if len(begun) > 1:
                found.append(begun.pop(0)())
        found.append(begun.pop()())
    for masks, same in zip(found, expected, strict=True):
        torch.testing.assert_close(masks.predicted_iou, same.predicted_iou, atol=2e-3, rtol=2e-3)
        assert (masks.masks != same.masks).float().mean() < 1e-3
