"""Sparse codes drawn and lifted: by the weights themselves, and the Triton kernels (interpreted, on a CPU)."""

import os
import subprocess
import sys

import pytest
import torch
from tests.ops.gaussians.gaussian_scenes import random_scene
from torch import Tensor

from langfield.core.cameras import Camera
from langfield.ops.gaussians.pixel_mixtures import LIFT_TILE_PX, PixelMixtures
from langfield.ops.gaussians.projected import ProjectedGaussians
from langfield.ops.gaussians.rasterize import project

CODES = 70  # more than are drawn at once


def sparse_of(count: int, keep: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    """Codes and shares of Gaussians; some say nothing."""
    generator = torch.Generator().manual_seed(count)
    code = torch.randint(0, CODES, (count, keep), generator=generator).to(torch.int16)
    share = torch.rand(count, keep, generator=generator, dtype=dtype)
    share[::5] = 0
    return code, share


FIRST_ROW = 3


def said(camera: Camera, keep: int, dtype: torch.dtype = torch.float64) -> tuple[PixelMixtures, int, Tensor, Tensor]:
    """What pixels say (neighbours share rows; a corner says nothing), and codes and shares of the table's rows."""
    generator = torch.Generator().manual_seed(keep)
    xy = camera.pixel_centres().reshape(-1, 2)
    cell = (xy / 9).long()
    rows = torch.stack([cell[:, 0] + 40 * (cell[:, 1] + down) + right for down in (0, 1) for right in (0, 1)], dim=1)
    weights = torch.rand(len(xy), 4, generator=generator, dtype=dtype)
    weights[:30] = 0
    table = FIRST_ROW + int(rows.max()) + 1
    codes = torch.randint(0, CODES, (table, keep), generator=generator)
    shares = torch.rand(table, keep, generator=generator, dtype=dtype)
    return PixelMixtures((camera.width_px, camera.height_px), rows, weights), FIRST_ROW, codes, shares


def weights_of(projected: ProjectedGaussians) -> Tensor:
    """w of every pixel and Gaussian."""
    return projected.blend(torch.eye(projected.count, dtype=torch.float64))[0]


@pytest.fixture
def seen() -> ProjectedGaussians:
    (means, rotations, scales, opacities, _), camera = random_scene(50, 1, seed=3)
    return project(means, rotations, scales, opacities, camera)


def test_codes_are_drawn_by_their_shares(seen: ProjectedGaussians):
    code, share = sparse_of(50, 3)
    dense = torch.zeros(50, CODES, dtype=torch.float64).scatter_add_(1, code.long(), share)
    torch.testing.assert_close(
        seen.splat_codes(code, share, CODES), weights_of(seen) @ dense, check_dtype=False, rtol=1e-5, atol=1e-6
    )


def test_codes_are_lifted_by_what_pixels_say(seen: ProjectedGaussians):
    pixels, first_row, codes, shares = said(seen.camera, 2)
    of_row = torch.zeros(len(codes), CODES, dtype=torch.float64).scatter_add_(1, codes, shares)
    of_pixel = (of_row[pixels.rows + first_row] * pixels.weights[:, :, None]).sum(dim=1)
    before = torch.rand(50, CODES, dtype=torch.float64)
    out = before.clone()
    seen.lift_codes(pixels, first_row, codes, shares, out)
    expected = before + weights_of(seen).flatten(0, 1).T @ of_pixel
    torch.testing.assert_close(out, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("opaque", [False, True])
def test_sparse_matrices_on_a_cpu_are_the_dense_reference_and_change_nothing_given(dtype: torch.dtype, opaque: bool):
    """Also of some Gaussians in another order of depth, of a picture that tiles reach beyond, and of none."""
    (means, rotations, scales, opacities, _), camera = random_scene(200, 1, seed=5, dtype=dtype)
    whole = project(means, rotations, scales, torch.full_like(opacities, 0.95) if opaque else opacities, camera)
    code, share = sparse_of(200, 3, dtype)
    given = said(camera, 2, dtype)
    tensors = code, share, given[0].rows, given[0].weights, *given[2:]
    kept = [values.clone() for values in tensors]
    for seen, own in ((whole, slice(None)), (whole.subset(torch.arange(0, 200, 3)), slice(0, None, 3))):
        expected = ProjectedGaussians.splat_codes(seen, code[own], share[own], CODES)
        assert expected.norm() > 1
        torch.testing.assert_close(seen.splat_codes(code[own], share[own], CODES), expected, check_dtype=False)
        out, dense = torch.ones(2, seen.count, CODES, dtype=dtype)
        seen.lift_codes(*given, out)
        ProjectedGaussians.lift_codes(seen, *given, dense)
        assert (dense - 1).norm() > 1
        torch.testing.assert_close(out, dense, rtol=1e-4, atol=1e-4)
    assert all(torch.equal(a, b) for a, b in zip(kept, tensors, strict=True))
    none = whole.subset(torch.arange(0))
    assert not none.splat_codes(code[:0], share[:0], CODES).any()
    none.lift_codes(*given, torch.zeros(0, CODES, dtype=dtype))


def test_slots_of_tiles_are_the_rows_that_their_pixels_read(seen: ProjectedGaussians):
    """Each pixel finds its rows again; what is outside the picture, or without weight, has none."""
    pixels, *_ = said(seen.camera.resized(37, 21), 2)
    (width, height), slots, side = pixels.size_px, pixels.by_tile, LIFT_TILE_PX
    slot, weight = (values.reshape(len(slots.row), side, side, 4) for values in (slots.slot, slots.weight))
    read = torch.where(slot >= 0, slots.row.gather(1, slot.clamp_min(0).flatten(1).long()).reshape(slot.shape), -1)
    across, down = -(-width // side), -(-height // side)
    whole = [
        values.reshape(down, across, side, side, 4).transpose(1, 2).reshape(-1, across * side, 4)
        for values in (read, weight)
    ]
    said_rows = torch.where(pixels.weights > 0, pixels.rows, -1).reshape(height, width, 4)
    assert torch.equal(whole[0][:height, :width], said_rows.int())
    assert torch.equal(whole[1][:height, :width], pixels.weights.reshape(height, width, 4).float())
    outside = torch.ones(down * side, across * side, dtype=torch.bool)
    outside[:height, :width] = False
    assert (whole[0][outside] == -1).all()
    assert not whole[1][outside].any()
    for row, own in zip(slots.row, slot.flatten(1), strict=True):
        there = row[row >= 0]
        assert len(there.unique()) == len(there) == int(own.max()) + 1


INTERPRETED = """
import torch
from tests.ops.gaussians.plain_gsplat import PlainGsplat, stand_in
from tests.ops.gaussians.gaussian_scenes import random_scene
from tests.ops.gaussians.test_sparse_splat import CODES, said, sparse_of

stand_in(PlainGsplat(), object())
from langfield.ops.gaussians import rasterize_gsplat
from langfield.ops.gaussians.projected import ProjectedGaussians

for count, keep, tile_px, seed in [(60, 4, 16, 3), (60, 1, 8, 4), (200, 2, 16, 5)]:
    gaussians, camera = random_scene(count, 1, seed=seed, dtype=torch.float32)
    if seed == 5:
        gaussians[3][:] = 0.95  # little light is left behind the first ones
    seen = rasterize_gsplat.project(*gaussians[:4], camera, tile_px=tile_px)
    code, share = sparse_of(count, keep, torch.float32)
    found = seen.splat_codes(code, share.half(), CODES)
    expected = ProjectedGaussians.splat_codes(seen, code, share.half().float(), CODES)
    assert (found - expected).norm() <= 1e-4 * expected.norm(), (count, keep)
    assert expected.norm() > 1
    given = said(camera, keep, torch.float32)
    found, expected = torch.zeros(2, count, CODES)
    seen.lift_codes(*given, found)
    ProjectedGaussians.lift_codes(seen, *given, expected)
    assert (found - expected).norm() <= 1e-4 * expected.norm(), (count, keep)
    assert expected.norm() > 1
    some = seen.subset(torch.arange(0, count, 2))
    code, share = code[::2], share[::2]
    a, b = some.splat_codes(code, share, CODES), ProjectedGaussians.splat_codes(some, code, share, CODES)
    assert (a - b).norm() <= 1e-4 * b.norm()
    none = seen.subset(torch.arange(0))
    assert not none.splat_codes(code[:0], share[:0], CODES).any()
    none.lift_codes(*given, torch.zeros(0, CODES))
print("same")
"""


def test_the_kernels_are_the_reference_in_tritons_interpreter():
    pytest.importorskip("triton")
    environment = os.environ | {"TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    program = "import sys; sys.path.insert(0, '.')\n" + INTERPRETED
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "same"


@pytest.mark.parametrize(
    ("kernel", "side", "some"),
    [("_splat_kernel", 8, {}), ("_splat_kernel", 16, {}), ("_lift_kernel", 8, {"SOME": False})],
)
def test_kernels_compile_for_a_gpu_that_is_not_here(kernel: str, side: int, some: dict):
    """As they are launched; nothing of what they hold is spilled into memory."""
    triton = pytest.importorskip("triton")
    from tests.ops.machine_code import stack_bytes
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from langfield.ops.gaussians import sparse_splat_triton as kernels

    function = getattr(kernels, kernel)
    constants = {"ROWS": 4, "KEEP": 2, "SIDE": side, "GAUSSIANS": kernels._GAUSSIANS, "SLOTS": kernels._GAUSSIANS}
    constants = {name: value for name, value in constants.items() if name in function.arg_names}
    constants |= some
    whole = ("gaussian_ptr", "first_ptr", "slot_ptr", "slot_row_ptr")
    types = dict.fromkeys(whole, "*i32") | dict.fromkeys(constants, "constexpr")
    types["code_ptr"] = "*i16" if kernel == "_splat_kernel" else "*i32"
    types |= dict.fromkeys(("width", "height", "across", "tiles", "pairs", "slots", "first_row", "codes"), "i32")
    types["element_ptr"] = "*i32"
    signature = {n: types.get(n, "*fp32" if n.endswith("_ptr") else "fp32") for n in function.arg_names}
    source = ASTSource(fn=function, signature=signature, constexprs=constants)
    compiled = triton.compile(source, target=GPUTarget("cuda", 90, 32), options={"num_warps": side**2 // 16})
    assert stack_bytes(compiled.asm["cubin"]) == 0
