"""The parts of SAM's mask decoder that touch every place of the picture for every prompt."""

from langfield.ops.mask_decoder.mask_decoder import counts_above, mask_logits, read_image, write_image
from langfield.ops.mask_decoder.upscaling import Upscaling

__all__ = ["Upscaling", "counts_above", "mask_logits", "read_image", "write_image"]
