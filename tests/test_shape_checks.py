"""The canaries: shape annotations of both distributions are enforced while the tests run."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from jaxtyping import TypeCheckError

from langfield.core.shapes import shape_canary
from langfield_synthetic.meshes import ellipsoid


def test_shape_checks_are_on():
    shape_canary(torch.zeros(3))
    with pytest.raises(TypeCheckError):
        shape_canary(torch.zeros(4))


def test_shape_checks_are_on_in_the_generator_of_scenes():
    mesh = ellipsoid(0.1)
    with pytest.raises(TypeCheckError):
        replace(mesh, uv=mesh.uv[:-1])
    with pytest.raises(TypeCheckError):
        replace(mesh, vertices=mesh.vertices.astype(np.float64))
