"""Attention with relative positions beside transformers' own, which writes their table out."""

import pytest
import torch
from transformers.models.sam.configuration_sam import SamVisionConfig
from transformers.models.sam.modeling_sam import SamVisionSdpaAttention

from langfield.encoders.masks.sam_attention import attend, can_attend


def attention(side: int, features: int = 32, heads: int = 2) -> SamVisionSdpaAttention:
    config = SamVisionConfig(hidden_size=features, num_attention_heads=heads, image_size=8 * side, patch_size=8)
    made = SamVisionSdpaAttention(config, window_size=0)
    for number, parameter in enumerate(made.parameters()):
        generator = torch.Generator().manual_seed(number)
        parameter.data = torch.randn(parameter.shape, generator=generator) / parameter.shape[-1] ** 0.5
    return made.eval()


@pytest.mark.parametrize("side", [4, 7, 12])
@torch.no_grad()
def test_it_is_theirs(side: int):
    theirs, places = attention(side), torch.randn(3, side, side, 32, generator=torch.Generator().manual_seed(9))
    expected, _ = theirs(places)
    assert can_attend(theirs)
    torch.testing.assert_close(attend(theirs, places), expected, rtol=1e-4, atol=1e-5)
    theirs.rel_pos_h.data.zero_()  # the positions are not for nothing
    assert (attend(theirs, places) - expected).abs().max() > 1e-2


def test_what_fused_attention_cannot_hold_is_left_to_theirs():
    assert can_attend(attention(64, features=128, heads=2))
    assert not can_attend(attention(97, features=128, heads=2))
    without = attention(4)
    without.use_rel_pos = False
    assert not can_attend(without)
