"""SAM's mask decoder for many prompts of one picture: what transformers' module computes, with far less memory moved.

The module repeats the picture's features for each prompt and projects each copy to keys, values and queries. A prompt
has some seven tokens, so here the projections are folded into the tokens (`_folded`), the features are multiplied as
they are, and what then touches every place for every prompt is a few operations (`langfield.ops.mask_decoder`).
Convolutions that neither overlap nor leave gaps are products with a matrix, and channels stay last.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from langfield.ops.mask_decoder import Upscaling, mask_logits, read_image, write_image


class SamPromptDecoder:
    """Decodes prompts with the parameters of a `SamMaskDecoder` of transformers, which must not change."""

    def __init__(self, decoder: nn.Module) -> None:
        self._decoder: Any = decoder
        self._upscaling = _upscaling(decoder)

    @torch.no_grad()
    def __call__(
        self,
        features: Float[Tensor, "1 c h w"],
        positions: Float[Tensor, "1 c h w"],
        prompts: Float[Tensor, "q t c"],
    ) -> tuple[Float[Tensor, "q 3 lh lw"], Float[Tensor, "q 3"]]:
        """Logits of the three masks of each of Q prompts, and their predicted IoU. Does not wait for the device.

        Args:
            features: of the picture, with what a prompt without a mask adds to them.
            positions: the embeddings of the features' places.
            prompts: T tokens each.
        """
        own = torch.cat([self._decoder.iou_token.weight, self._decoder.mask_tokens.weight])
        tokens = torch.cat([own.expand(len(prompts), -1, -1), prompts], dim=1)
        read, image = self._transformed(tokens, *(grid.flatten(2).mT.contiguous() for grid in (features, positions)))
        # The first mask token is for a single mask; the three others answer a prompt that may mean several things.
        networks = self._decoder.output_hypernetworks_mlps[1:]
        masks = torch.stack([network(read[:, 2 + number]) for number, network in enumerate(networks)], dim=1)
        logits = mask_logits(image, self._upscaling, masks, *features.shape[-2:])
        return logits, self._decoder.iou_prediction_head(read[:, 0])[:, 1:].float()

    def _transformed(
        self, tokens: Float[Tensor, "q t c"], image: Float[Tensor, "1 r c"], positions: Float[Tensor, "1 r c"]
    ) -> tuple[Float[Tensor, "q t c"], Float[Tensor, "q r c"]]:
        """Tokens and the picture's features after the two-way transformer; the features are the prompts' own from the
        end of the first layer on."""
        transformer, queries, keys = self._decoder.transformer, tokens, image
        for layer in transformer.layers:
            if layer.skip_first_layer_pe:
                queries = _among_tokens(layer.self_attn, queries, queries)
            else:
                queries = queries + _among_tokens(layer.self_attn, queries + tokens, queries)
            queries = layer.layer_norm1(queries)
            read = _from_image(layer.cross_attn_token_to_image, queries + tokens, keys, positions)
            queries = layer.layer_norm2(queries + read)
            queries = layer.layer_norm3(queries + layer.mlp(queries))
            keys = _with_tokens(layer, keys, positions, queries + tokens, queries)
        read = _from_image(transformer.final_attn_token_to_image, queries + tokens, keys, positions)
        return transformer.layer_norm_final_attn(queries + read), keys


def _among_tokens(
    attention: Any, query: Float[Tensor, "q t c"], value: Float[Tensor, "q t c"]
) -> Float[Tensor, "q t c"]:
    """Attention of tokens to each other."""
    projected = [attention.q_proj(query), attention.k_proj(query), attention.v_proj(value)]
    heads = [part.unflatten(-1, (attention.num_attention_heads, -1)).transpose(1, 2) for part in projected]
    shares = ((heads[0] * attention.scaling) @ heads[1].mT).softmax(dim=-1)
    return attention.out_proj((shares @ heads[2]).transpose(1, 2).flatten(2))


def _folded(projected: Float[Tensor, "q t i"], weight: Float[Tensor, "i c"], heads: int) -> Float[Tensor, "q h t c"]:
    """Tokens, projected to the inside of the attention, taken back to the features by a projection's weight, each head
    apart: their products with features are those with the projected features."""
    return projected.unflatten(-1, (heads, -1)).transpose(1, 2) @ weight.unflatten(0, (heads, -1))


def _from_image(
    attention: Any, query: Float[Tensor, "q t c"], image: Float[Tensor, "b r c"], positions: Float[Tensor, "1 r c"]
) -> Float[Tensor, "q t c"]:
    """What tokens read from the picture. The keys' bias changes no share, and is left out."""
    heads = attention.num_attention_heads
    queries = _folded(attention.q_proj(query) * attention.scaling, attention.k_proj.weight, heads)
    read = read_image(queries.flatten(1, 2), image, positions).unflatten(1, (heads, -1))
    inside = read @ attention.v_proj.weight.unflatten(0, (heads, -1)).mT
    return attention.out_proj(inside.transpose(1, 2).flatten(2) + attention.v_proj.bias)


def _with_tokens(
    layer: Any,
    image: Float[Tensor, "b r c"],
    positions: Float[Tensor, "1 r c"],
    key: Float[Tensor, "q t c"],
    value: Float[Tensor, "q t c"],
) -> Float[Tensor, "q r c"]:
    """The picture's features after what they read from tokens. Shares of a head add up to one, so that the output's
    bias may be part of what its tokens say."""
    attention, norm = layer.cross_attn_image_to_token, layer.layer_norm4
    heads = attention.num_attention_heads
    projected = attention.k_proj(key) * attention.scaling
    bias = (projected * attention.q_proj.bias).unflatten(-1, (heads, -1)).sum(dim=-1).mT
    keys = _folded(projected, attention.q_proj.weight, heads)
    values = _folded(attention.v_proj(value), attention.out_proj.weight.mT, heads) + attention.out_proj.bias / heads
    return write_image(image, positions, keys, bias, values, norm.weight, norm.bias, norm.eps)


def _upscaling(decoder: Any) -> Upscaling:
    """Two transposed convolutions of two by two with steps of two, as matrices."""
    coarse, fine, norm = decoder.upscale_conv1, decoder.upscale_conv2, decoder.upscale_layer_norm
    coarse_weight, fine_weight = (part.weight.permute(0, 2, 3, 1).flatten(1).contiguous() for part in (coarse, fine))
    coarse_bias, fine_bias = (part.bias.repeat(4) for part in (coarse, fine))
    return Upscaling(coarse_weight, coarse_bias, norm.weight, norm.bias, norm.eps, fine_weight, fine_bias)
