"""Smoothing on a graph: the minimum of the sum that is written there."""

import numpy as np
import torch
from scipy.sparse import coo_array, csr_array, diags_array

from langfield.query.index.smoothing import GraphSmoother


def laplacian(rng: np.random.Generator, nodes: int = 400) -> csr_array:
    """Of a graph whose weights range over five orders of magnitude, as those of a surface do."""
    i, j = rng.integers(0, nodes, (2, 6 * nodes))
    weight = 10 ** rng.uniform(-5, 0, 6 * nodes) * (i != j)
    half = coo_array((weight, (i, j)), shape=(nodes, nodes)).tocsr()
    weights = half + half.T
    return csr_array(diags_array(weights.sum(axis=1)) - weights)


def test_it_is_the_minimum():
    rng = np.random.default_rng(1)
    matrix, data_weight = laplacian(rng), rng.uniform(0.05, 0.2, 400)
    values = torch.from_numpy(rng.normal(size=(400, 2))).float()
    exact = np.linalg.solve(matrix.toarray() + np.diag(data_weight), data_weight[:, None] * values.numpy())
    np.testing.assert_allclose(GraphSmoother(matrix, data_weight, torch.device("cpu"))(values), exact, atol=5e-3)
