"""Which Gaussians can be drawn; the Triton kernel in Triton's interpreter, and compiled for a GPU that is not here."""

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from tests.ops.gaussians.gaussian_scenes import AHEAD, one

from langfield.ops.gaussians.well_formed import well_formed


def test_a_gaussian_too_wide_behind_one_camera_is_drawn_by_another():
    """What is drawn together is judged by every camera; but where a Gaussian is behind one, that one has no say."""
    front, back = AHEAD, replace(AHEAD, world_from_camera=np.diag([-1.0, 1.0, -1.0, 1.0]))
    gaussians = one((0.0, 0.0, 1e6), 0.7, scale=(1e5, 1e5, 1e5))
    shape, features = gaussians[:4], gaussians[4]
    assert well_formed(*shape, features[None], [front, back]).all()
    near = one((0.0, 0.0, 0.02), 0.7, scale=(1e5, 1e5, 1e5))
    assert not well_formed(*near[:4], features[None], [front]).any()


INTERPRETED = """
import sys
sys.path.insert(0, ".")
from dataclasses import replace

import numpy as np
import torch
from langfield.ops.gaussians import well_formed_triton
from langfield.ops.gaussians.well_formed import well_formed
from tests.ops.gaussians.gaussian_scenes import AHEAD, BROKEN, random_scene

back = replace(AHEAD, world_from_camera=np.diag([-1.0, 1.0, -1.0, 1.0]))
for seed, case in enumerate(BROKEN):
    (*shape, features), camera = random_scene(300, 3, seed=seed, dtype=torch.float32)
    bad = [x[::3].clone() for x in (*shape, features)]
    BROKEN[case](bad)
    for x, y in zip((*shape, features), bad):
        x[::3] = y
    elsewhere = features.clone()
    elsewhere[1] = torch.nan
    for cameras, own in (([camera], [features]), ([camera, AHEAD, back], [features, elsewhere, features])):
        for given in (torch.stack(own), None):
            found = well_formed_triton.well_formed(*shape, given, cameras)
            assert torch.equal(found, well_formed(*shape, given, cameras)), case
            assert found.any()
            if given is not None:
                assert "nan" not in case or not found[::3].any()
                assert len(cameras) == 1 or not found[1]
wide = [torch.tensor(x) for x in ([[0.0, 0, 1e6]], [[1.0, 0, 0, 0]], [[1e5, 1e5, 1e5]], [0.7])]
for cameras in ([AHEAD], [back], [AHEAD, back]):
    assert well_formed_triton.well_formed(*wide, None, cameras).all()
wide[0] = torch.tensor([[0.0, 0, 0.02]])
assert not well_formed_triton.well_formed(*wide, None, [back, AHEAD]).any()
assert well_formed_triton.well_formed(*wide, None, [back]).all()
none = [x[:0] for x in shape]
assert well_formed_triton.well_formed(*none, None, [camera]).shape == (0,)
print("same")
"""


def test_the_kernel_finds_the_same_well_formed_in_tritons_interpreter():
    pytest.importorskip("triton")
    environment = os.environ | {"TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", INTERPRETED], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "same"


def test_the_kernel_compiles_for_a_gpu_that_is_not_here():
    triton = pytest.importorskip("triton")
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from langfield.ops.gaussians import well_formed_triton

    function = well_formed_triton._kernel
    constants = {"CHANNELS": 3, "BLOCK": 256}
    types = {"n": "i32", "drawn_ptr": "*i1"} | dict.fromkeys(constants, "constexpr")
    signature = {n: types.get(n, "*fp32" if n.endswith("_ptr") else "fp32") for n in function.arg_names}
    source = ASTSource(fn=function, signature=signature, constexprs=constants)
    assert len(triton.compile(source, target=GPUTarget("cuda", 90, 32)).asm["cubin"]) > 1000
