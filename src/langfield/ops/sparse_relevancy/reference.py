"""`sparse_relevancy` in plain torch: what the Triton kernel is tested against, and what runs on a CPU."""

import torch
from jaxtyping import Float, Float16, Float32, Int8, Int16
from torch import Tensor

_COSINES_AT_ONCE = 2**20  # 4 MiB: what a CPU's cache holds


def sparse_relevancy(
    phrase_dots: Float[Tensor, "c p"],
    negative_dots: Float[Tensor, "c q"],
    code: Int16[Tensor, "n l k"],
    share: Float16[Tensor, "n l k"],
    temperature: float,
) -> tuple[Float32[Tensor, "n p"], Int8[Tensor, "n p"]]:
    """See `langfield.ops.sparse_relevancy.sparse_relevancy`."""
    elements, levels, keep = code.shape
    phrases = phrase_dots.shape[1]
    dots = torch.cat([phrase_dots, negative_dots], dim=1).float()
    relevancy = torch.zeros(elements, phrases, device=code.device)
    best_level = torch.full((elements, phrases), -1, dtype=torch.int8, device=code.device)
    at_once = max(_COSINES_AT_ONCE // max(levels * dots.shape[1], 1), 1)
    for first in range(0, elements, at_once):
        part = slice(first, first + at_once)
        shares = share[part].float()
        cosines = torch.nn.functional.embedding_bag(
            code[part].int().reshape(-1, keep), dots, per_sample_weights=shares.reshape(-1, keep), mode="sum"
        ).reshape(-1, levels, dots.shape[1])
        margin = cosines[..., :phrases] - cosines[..., phrases:].amax(dim=-1, keepdim=True)
        margin.masked_fill_((shares.sum(dim=-1) <= 0)[..., None], -torch.inf)
        best = torch.full_like(margin[:, 0], -torch.inf)
        for level in range(levels):  # maxima: `where` is 5 to 40 times as slow on a CPU
            better = (margin[:, level] > best).to(torch.int8)
            best = torch.maximum(best, margin[:, level])
            best_level[part] = torch.maximum(best_level[part], better * (level + 1) - 1)  # levels rise: the last wins
        relevancy[part] = torch.sigmoid(temperature * best).masked_fill_(best == -torch.inf, 0)
    return relevancy, best_level
