"""The canary: shape annotations are enforced while the tests run."""

import pytest
import torch
from jaxtyping import TypeCheckError

from langfield.core.shapes import shape_canary


def test_shape_checks_are_on():
    shape_canary(torch.zeros(3))
    with pytest.raises(TypeCheckError):
        shape_canary(torch.zeros(4))
