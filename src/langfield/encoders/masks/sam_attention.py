"""Attention with decomposed relative positions, as SAM's image encoder has it, without the table of all pairs.

Li et al., MViTv2 (2022), section 4.1: to the score of a query and a key at row v and column u is added what the query
says of the row v and what it says of the column u. transformers writes that out for each pair, .4 GB for five pictures
in a grid of 48 × 48 and eight heads. Here the sum is one product: of the query, what it says of each row and what it
says of each column, with the key, a 1 at its own row and a 1 at its own column; fused attention does the rest.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

_MOST_NUMBERS = 256  # of a head in torch's fused attention


def can_attend(attention: Any) -> bool:
    """Whether `attend` can do what a `SamVisionAttention` of transformers does: fused kernels have a limit."""
    if not attention.use_rel_pos:
        return False
    rows, columns = ((len(table) + 1) // 2 for table in (attention.rel_pos_h, attention.rel_pos_w))
    return attention.rel_pos_h.shape[1] + rows + columns <= _MOST_NUMBERS


@torch.no_grad()
def attend(attention: Any, places: Float[Tensor, "b h w c"]) -> Float[Tensor, "b h w c"]:
    """What `attention`, a `SamVisionAttention` of transformers, gives for `places`."""
    count, height, width, _ = places.shape
    heads = attention.num_attention_heads
    projected = attention.qkv(places).reshape(count, height * width, 3, heads, -1).permute(2, 0, 3, 1, 4)
    query, key, value = projected.unbind(0)
    own = query.unflatten(2, (height, width))
    rows = attention.get_rel_pos(height, height, attention.rel_pos_h)
    columns = attention.get_rel_pos(width, width, attention.rel_pos_w)
    of_rows = torch.einsum("bnhwc,hkc->bnhwk", own, rows).flatten(2, 3)
    of_columns = torch.einsum("bnhwc,wkc->bnhwk", own, columns).flatten(2, 3)
    asked = torch.cat([query * attention.scale, of_rows, of_columns], dim=-1)
    known = torch.cat([key, _own_row_and_column(height, width, key).expand(count, heads, -1, -1)], dim=-1)
    numbers, spare = value.shape[-1], -asked.shape[-1] % 8
    asked, known = (functional.pad(part, (0, spare)) for part in (asked, known))
    value = functional.pad(value, (0, asked.shape[-1] - numbers))
    read = functional.scaled_dot_product_attention(asked, known, value, scale=1.0)[..., :numbers]
    return attention.proj(read.transpose(1, 2).reshape(count, height, width, -1))


def _own_row_and_column(height: int, width: int, like: Tensor) -> Float[Tensor, "places n"]:
    """For each place 1 at its row and at its column, 0 elsewhere."""
    row = torch.eye(height, dtype=like.dtype, device=like.device).repeat_interleave(width, dim=0)
    column = torch.eye(width, dtype=like.dtype, device=like.device).repeat(height, 1)
    return torch.cat([row, column], dim=1)
