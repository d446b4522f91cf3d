"""The forward pass of `transformers.SamModel` as training runs it: the same parameters, the same outputs, less time.

What differs: attention with relative positions is one call of flash attention (positions become further channels of
queries and keys), the first decoder layer's keys are those of the picture and not of each prompt, transposed
convolutions are matrix products, and masks stay in the order of cells. All is computed in one given type.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, gelu, layer_norm, linear, one_hot, pad, relu, scaled_dot_product_attention
from transformers import SamModel

SUB = 4  # mask pixels a side of an embedding cell
Weights = tuple[Tensor, ...]


def position_channels(side: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """What relative positions need in windows of side × side cells.

    Returns:
        (side², 2·side − 1) which offset a pair of rows has; (side², 2·side) row and column of a cell, one-hot.
    """
    rows = torch.arange(side, device=device)
    offsets = one_hot((rows[:, None] - rows[None, :] + side - 1).flatten(), 2 * side - 1)
    cells = torch.cat([one_hot(rows.repeat_interleave(side), side), one_hot(rows.repeat(side), side)], 1)
    return offsets.float(), cells.float()


def block(x: Tensor, weights: Weights, positions: Weights, heads: int, window: int, eps: float) -> Tensor:
    """One layer of the encoder. Args: x: (B, c, c, d). weights: see `Fast`. positions: (rel_pos_h, rel_pos_w,
    *position_channels) of a layer with windows; () of a global one, whose relative positions are zero."""
    norm1, bias1, qkv_w, qkv_b, proj_w, proj_b, norm2, bias2, in_w, in_b, out_w, out_b = weights
    width = x.shape[-1:]
    qkv = linear(layer_norm(x, width, norm1, bias1, eps), qkv_w, qkv_b)
    x = x + linear(_attend(qkv, positions, heads, window), proj_w, proj_b)
    hidden = gelu(linear(layer_norm(x, width, norm2, bias2, eps), in_w, in_b))
    return x + linear(hidden, out_w, out_b)


def _attend(qkv: Tensor, positions: Weights, heads: int, window: int) -> Tensor:
    batch, cells, _, triple = qkv.shape
    side = window or cells
    n, channels = cells // side, triple // 3 // heads
    split = qkv.view(batch, n, side, n, side, 3, heads, channels).permute(5, 0, 1, 3, 6, 2, 4, 7)
    query, key, value = split.reshape(3, batch * n * n, heads, side * side, channels).unbind(0)
    if positions:
        rel_h, rel_w, offsets, place = positions
        rows = query.view(-1, heads, side, side, channels)
        by_row, by_column = ((offsets @ rel).view(side, side, channels) for rel in (rel_h, rel_w))
        height = torch.einsum("bnhwc,hkc->bnhwk", rows, by_row).flatten(2, 3)
        across = torch.einsum("bnhwc,wkc->bnhwk", rows, by_column).flatten(2, 3)
        query = torch.cat([query * channels**-0.5, height, across], -1)
        key = torch.cat([key, place.expand(*key.shape[:2], -1, -1)], -1)
        value = pad(value, (0, 2 * side))
        found = scaled_dot_product_attention(query, key, value, scale=1.0)[..., :channels]
    else:
        found = scaled_dot_product_attention(query, key, value)
    found = found.reshape(batch, n, n, heads, side, side, channels).permute(0, 1, 4, 2, 5, 3, 6)
    return found.reshape(batch, cells, cells, heads * channels)


def upscaled_masks(keys: Tensor, hyper: Tensor, weights: Weights, eps: float) -> Tensor:
    """Logits (Q, k, cells·16) of masks, in `cells_first`'s order. Args: keys: (Q, cells, C). hyper: (Q, k, C/8)."""
    up1, bias1, norm, bias, up2, bias2 = weights
    count, cells, _ = keys.shape
    x = linear(keys, up1.permute(2, 3, 1, 0).flatten(0, 2), bias1.repeat(4)).view(count, cells, 4, -1)
    x = gelu(layer_norm(x, x.shape[-1:], norm, bias, eps))
    x = gelu(linear(x, up2.permute(2, 3, 1, 0).flatten(0, 2), bias2.repeat(4)))  # (Q, cells, 2·2, 2·2·C/8)
    return hyper @ x.view(count, cells * 16, -1).mT


def cells_first(pictures: Tensor, cells: int) -> Tensor:
    """(..., S, S) → (..., cells²·16, p·p): the order in which `Fast.decode` gives masks, p = S / (4·cells)."""
    lead, p = pictures.shape[:-2], pictures.shape[-1] // (SUB * cells)
    x = pictures.reshape(-1, cells, 2, 2, p, cells, 2, 2, p)
    return x.permute(0, 1, 5, 2, 6, 3, 7, 4, 8).reshape(*lead, cells * cells * 16, p * p)


def as_pictures(masks: Tensor) -> Tensor:
    """(..., cells²·16) in the order of `cells_first` → (..., 4·cells, 4·cells)."""
    lead, cells = masks.shape[:-1], math.isqrt(masks.shape[-1] // 16)
    x = masks.reshape(-1, cells, cells, 2, 2, 2, 2).permute(0, 1, 3, 5, 2, 4, 6)
    return x.reshape(*lead, SUB * cells, SUB * cells)


class Fast:
    """A model's parameters, and the two halves of its forward pass."""

    def __init__(self, model: SamModel, dtype: torch.dtype, compiled: bool = False) -> None:
        """Raises:
        ValueError: the grid of cells is no multiple of the window.
        """
        vision: Any = model.config.vision_config
        self.model, self.dtype = model, dtype
        self.cells: int = vision.image_size // vision.patch_size
        self._patch, self._heads, self._eps = vision.patch_size, vision.num_attention_heads, vision.layer_norm_eps
        if self.cells % vision.window_size:
            raise ValueError(f"{self.cells} cells a side are no multiple of the window, {vision.window_size}")
        self._offsets, self._place = position_channels(vision.window_size, model.device)
        self._block: Callable[..., Tensor] = torch.compile(block, dynamic=False) if compiled else block
        self._upscaled: Callable[..., Tensor] = (
            torch.compile(upscaled_masks, dynamic=False) if compiled else upscaled_masks
        )

    def _cast(self, *tensors: Tensor) -> Weights:
        return tuple(tensor.to(self.dtype) for tensor in tensors)

    def _linear(self, x: Tensor, layer: nn.Linear) -> Tensor:
        weight, bias = self._cast(layer.weight, layer.bias)
        return linear(x, weight, bias)

    def _norm(self, x: Tensor, layer: nn.LayerNorm) -> Tensor:
        weight, bias = self._cast(layer.weight, layer.bias)
        return layer_norm(x, layer.normalized_shape, weight, bias, layer.eps)

    def encode(self, pixels: Tensor) -> Tensor:
        """(B, 3, S, S) normalised and padded → (B, cells², C) embedding."""
        encoder: Any = self.model.vision_encoder
        batch, p, n = len(pixels), self._patch, self.cells
        patches = pixels.to(self.dtype).view(batch, 3, n, p, n, p).permute(0, 2, 4, 1, 3, 5).reshape(batch, n, n, -1)
        projection = encoder.patch_embed.projection
        weight, bias = self._cast(projection.weight.flatten(1), projection.bias)
        x = linear(patches, weight, bias)
        x = x + encoder.pos_embed.to(self.dtype)
        for layer in encoder.layers:
            x = self._block(x, *self._layer(layer), self._heads, layer.window_size, self._eps)
        neck = encoder.neck
        x = self._norm(linear(x, neck.conv1.weight.flatten(1).to(self.dtype)), neck.layer_norm1)
        x = conv2d(x.permute(0, 3, 1, 2), neck.conv2.weight.to(self.dtype), padding=1).permute(0, 2, 3, 1)
        return self._norm(x, neck.layer_norm2).flatten(1, 2)

    def _layer(self, layer: Any) -> tuple[Weights, Weights]:
        parts = (layer.layer_norm1, layer.attn.qkv, layer.attn.proj, layer.layer_norm2, layer.mlp.lin1, layer.mlp.lin2)
        weights = self._cast(*(tensor for part in parts for tensor in (part.weight, part.bias)))
        if not layer.window_size:
            return weights, ()
        return weights, self._cast(layer.attn.rel_pos_h, layer.attn.rel_pos_w, self._offsets, self._place)

    def decode(self, embedding: Tensor, prompts: Tensor) -> tuple[Tensor, Tensor]:
        """Masks of prompts without a mask among them.

        Args:
            embedding: (B, cells², C), see `encode`. prompts: (B, P, t, C), see `model.prompt_encoder`.

        Returns:
            logits (B, P, k, cells²·16), the single mask first (`cells_first` tells the order); their IoUs (B, P, k).
        """
        decoder: Any = self.model.mask_decoder
        batch, count = prompts.shape[:2]
        own = torch.cat([decoder.iou_token.weight, decoder.mask_tokens.weight])
        tokens = torch.cat([own.expand(batch, count, -1, -1), prompts], 2).to(self.dtype)
        places = self.model.get_image_wide_positional_embeddings().flatten(2).mT.to(self.dtype)  # (1, cells², C)
        keys = (embedding + self.model.prompt_encoder.no_mask_embed.weight.to(self.dtype))[:, None]
        found, keys = self._two_ways(decoder.transformer, tokens, keys, places)
        masks = decoder.num_mask_tokens
        hyper = [self._feed(found[:, :, 1 + k], decoder.output_hypernetworks_mlps[k]) for k in range(masks)]
        up1, norm, up2 = decoder.upscale_conv1, decoder.upscale_layer_norm, decoder.upscale_conv2
        weights = self._cast(up1.weight, up1.bias, norm.weight, norm.bias, up2.weight, up2.bias)
        logits = self._upscaled(keys.flatten(0, 1), torch.stack(hyper, 2).flatten(0, 1), weights, norm.eps)
        iou = self._feed(found[:, :, 0], decoder.iou_prediction_head)
        return logits.view(batch, count, masks, -1), iou

    def _feed(self, x: Tensor, mlp: Any) -> Tensor:
        x = relu(self._linear(x, mlp.proj_in))
        for layer in mlp.layers:
            x = relu(self._linear(x, layer))
        return self._linear(x, mlp.proj_out)

    def _two_ways(self, transformer: Any, tokens: Tensor, keys: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
        """tokens (B, P, t, C), keys (B, 1, cells², C) → both (B, P, ...)."""
        queries = tokens
        for k, layer in enumerate(transformer.layers):
            if k == 0:
                queries = self._attention(layer.self_attn, queries, queries, queries)
            else:
                placed = queries + tokens
                queries = queries + self._attention(layer.self_attn, placed, placed, queries)
            queries = self._norm(queries, layer.layer_norm1)
            read = self._attention(layer.cross_attn_token_to_image, queries + tokens, keys + places, keys)
            queries = self._norm(queries + read, layer.layer_norm2)
            queries = queries + self._linear(relu(self._linear(queries, layer.mlp.lin1)), layer.mlp.lin2)
            queries = self._norm(queries, layer.layer_norm3)
            written = self._attention(layer.cross_attn_image_to_token, keys + places, queries + tokens, queries)
            keys = self._norm(keys + written, layer.layer_norm4)
        read = self._attention(transformer.final_attn_token_to_image, queries + tokens, keys + places, keys)
        return self._norm(queries + read, transformer.layer_norm_final_attn), keys

    def _attention(self, layer: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Queries (B, P or 1, q, C) of keys (B, P or 1, k, C) → (B, P, q, C). One of both may be shared by all P."""
        heads = layer.num_attention_heads
        query, key, value = (
            self._linear(x, projection).unflatten(-1, (heads, -1)).transpose(2, 3)  # (B, P, heads, n, channels)
            for x, projection in ((query, layer.q_proj), (key, layer.k_proj), (value, layer.v_proj))
        )
        batch, count, _, length, _ = query.shape
        if key.shape[1] == 1 and count > 1:  # all prompts' queries at once, of the one picture
            query = query.permute(0, 2, 1, 3, 4).flatten(2, 3)
            found = scaled_dot_product_attention(query, key[:, 0], value[:, 0])
            found = found.unflatten(2, (count, length)).transpose(1, 2)
        else:
            count = key.shape[1]
            query = query.expand(-1, count, -1, -1, -1).flatten(0, 1)
            found = scaled_dot_product_attention(query, key.flatten(0, 1), value.flatten(0, 1))
            found = found.unflatten(0, (batch, count))
        return self._linear(found.transpose(2, 3).flatten(3), layer.out_proj)
