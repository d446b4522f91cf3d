"""Every test of this folder needs a CUDA device: without one all are skipped, for one reason; with one all run."""

from pathlib import Path

import pytest
import torch

NEEDS_CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device and the extra gpu")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the items of this folder: pytest gives the whole session's."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(NEEDS_CUDA)
