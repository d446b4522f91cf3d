"""What touches every place of a picture in SAM's mask decoder: its definition by loops and by torch's convolutions, and
the Triton kernels, interpreted and compiled, on a CPU. The GPU's arithmetic is in tests/gpu."""

import os
import subprocess
import sys

import pytest
import torch
from torch.nn import functional

from langfield.ops.mask_decoder import Upscaling, counts_above, mask_logits, read_image, write_image


def numbers(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("pictures", [1, 3])
def test_a_vector_reads_the_features_of_places_that_match_it(pictures: int):
    queries, image, places = numbers(3, 5, 8), numbers(pictures, 12, 8, seed=1), numbers(1, 12, 8, seed=2)
    read = read_image(queries, image, places)
    for prompt in range(3):
        features = image[prompt % pictures]
        for number in range(5):
            shares = ((features + places[0]) @ queries[prompt, number]).softmax(dim=0)
            torch.testing.assert_close(read[prompt, number], shares @ features)
    sharp = read_image(1e4 * (image + places)[:, :4].expand(3, 4, 8), image, places)  # each asks for what is longest
    assert torch.isfinite(sharp).all()


@pytest.mark.parametrize("pictures", [1, 3])
def test_a_place_adds_of_each_head_what_its_tokens_say(pictures: int):
    known, said, bias = numbers(3, 2, 4, 8), numbers(3, 2, 4, 8, seed=1), numbers(3, 2, 4, seed=2)
    image, places = numbers(pictures, 6, 8, seed=3), numbers(1, 6, 8, seed=4)
    weight, shift = numbers(2, 8, seed=5)
    written = write_image(image, places, known, bias, said, weight, shift, 1e-6)
    for prompt in range(3):
        features = image[prompt % pictures]
        for place in range(6):
            added = features[place].clone()
            for head in range(2):
                scores = known[prompt, head] @ (features + places[0])[place] + bias[prompt, head]
                added += scores.softmax(dim=0) @ said[prompt, head]
            normal = functional.layer_norm(added, (8,), weight, shift, 1e-6)
            torch.testing.assert_close(written[prompt, place], normal)


def test_masks_are_those_of_two_transposed_convolutions():
    height, width, features = 3, 5, 16
    image, masks = numbers(2, height * width, features), numbers(2, 3, 2, seed=1)
    coarse, fine = numbers(16, 4, 2, 2, seed=2), numbers(4, 2, 2, 2, seed=3)  # in, out, 2 × 2
    coarse_bias, fine_bias, (weight, bias) = numbers(4, seed=4), numbers(2, seed=5), numbers(2, 4, seed=6)
    matrices = [part.permute(0, 2, 3, 1).flatten(1) for part in (coarse, fine)]
    shifts = [part.repeat(4) for part in (coarse_bias, fine_bias)]
    upscaling = Upscaling(matrices[0], shifts[0], weight, bias, 1e-6, matrices[1], shifts[1])
    finer = functional.conv_transpose2d(image.mT.unflatten(2, (height, width)), coarse, coarse_bias, stride=2)
    normal = functional.layer_norm(finer.permute(0, 2, 3, 1), (4,), weight, bias, 1e-6).permute(0, 3, 1, 2)
    finest = functional.gelu(functional.conv_transpose2d(functional.gelu(normal), fine, fine_bias, stride=2))
    expected = torch.einsum("qmd,qdhw->qmhw", masks, finest)
    torch.testing.assert_close(mask_logits(image, upscaling, masks, height, width), expected)


def test_only_the_used_part_counts():
    logits = torch.tensor([[[2.0, 0.5, 9], [-1, 0.0, 9], [9, 9, 9]]])
    assert counts_above(logits, 2, 2, (1.0, -0.5)).tolist() == [[1, 3]]
    assert counts_above(logits, 3, 3, (1.0, 0.0)).tolist() == [[6, 7]]


INTERPRETED = """
import torch
from langfield.ops.mask_decoder import Upscaling, reference, triton_kernels

generator = torch.Generator().manual_seed(0)

def rn(*shape):
    return torch.randn(shape, generator=generator)

def same(name, *given):
    found, expected = getattr(triton_kernels, name)(*given), getattr(reference, name)(*given)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)

for prompts, heads, tokens, height, width, c in [(2, 4, 7, 6, 7, 128), (1, 8, 10, 5, 13, 256), (2, 2, 3, 4, 4, 128)]:
    places, weight, shift = rn(1, height * width, c), *rn(2, c)
    known, said = rn(prompts, heads, tokens, c) / c**0.5, rn(prompts, heads, tokens, c)
    bias = rn(prompts, heads, tokens)
    for pictures in {1, prompts}:
        image = rn(pictures, height * width, c)
        same("read_image", known.flatten(1, 2), image, places)
        same("write_image", image, places, known, bias, said, weight, shift, 1e-6)
    coarse, fine = rn(c, c) / c**0.5, rn(c // 4, c // 2) / c**0.5
    upscaling = Upscaling(coarse, rn(c), rn(c // 4), rn(c // 4), 1e-6, fine, rn(c // 2))
    for masks in (1, 3, 4):
        same("mask_logits", rn(prompts, height * width, c), upscaling, rn(prompts, masks, c // 8), height, width)
for rows, columns in ((13, 17), (9, 17), (13, 8), (1, 1)):
    same("counts_above", rn(5, 13, 17), rows, columns, (0.3, -0.3))
"""


def test_the_kernels_are_the_reference_in_tritons_interpreter():
    """In a process of its own: Triton reads the variable when it is imported."""
    pytest.importorskip("triton")
    environment = os.environ | {"TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", INTERPRETED], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("features", "heads", "tokens", "capability"),
    [(128, 4, 8, 80), (128, 4, 16, 89), (128, 4, 8, 90), (128, 4, 8, 120), (256, 8, 8, 90), (256, 8, 16, 90)],
)
def test_kernels_compile_for_gpus_that_are_not_here(features: int, heads: int, tokens: int, capability: int):
    """To machine code, as they are launched; what a program holds is in registers, and in the shared memory that the
    operations ask a GPU for."""
    triton = pytest.importorskip("triton")
    from tests.ops.machine_code import stack_bytes
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from langfield.ops.mask_decoder import triton_kernels as k

    write = {
        "C": features,
        "HEADS": heads,
        "TOKENS": tokens,
        "PLACES": k.WRITE_PLACES[features],
        "TURNS": k.WRITE_TURNS,
    }
    kernels = {
        k._read_kernel: ({"C": features, "N": k.READ_VECTORS, "PLACES": k.READ_PLACES[features]}, k.STAGES),
        k._write_kernel: (write, k.STAGES),
        k._mask_kernel: ({"C": features, "PLACES": k.MASK_PLACES, "TURNS": k.MASK_TURNS}, k.MASK_STAGES),
    }
    for function, (constants, stages) in kernels.items():
        names = function.arg_names
        types = dict.fromkeys(constants, "constexpr") | {"eps": "fp32"}
        signature = {n: types.get(n, "*fp16" if n.endswith("_ptr") else "i32") for n in names}
        aligned = [n for n in names if n.endswith("_ptr") or n in ("place_count", "feature_step", "width")]
        attributes = {(names.index(n),): [["tt.divisibility", 16]] for n in aligned}
        source = ASTSource(fn=function, signature=signature, constexprs=constants, attrs=attributes)
        options = {"num_warps": k.WARPS[features], "num_stages": stages}
        compiled = triton.compile(source, target=GPUTarget("cuda", capability, 32), options=options)
        assert compiled.metadata.shared <= k.SHARED_BYTES[features]
        if capability == 90:
            assert stack_bytes(compiled.asm["cubin"]) == 0


def test_wrong_sizes_are_refused():
    queries, features, positions = numbers(3, 4, 8), numbers(2, 6, 8), numbers(1, 6, 8)
    with pytest.raises(ValueError, match="expected features of 1 or 3 pictures, got 2"):
        read_image(queries, features, positions)
    upscaling = Upscaling(numbers(8, 8), numbers(8), numbers(2), numbers(2), 1e-6, numbers(2, 4), numbers(4))
    with pytest.raises(ValueError, match="expected 2 by 4 places, got 6"):
        mask_logits(features, upscaling, numbers(2, 3, 1), 2, 4)
