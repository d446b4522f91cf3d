"""The parts of SAM's mask decoder that touch every place of the picture for every prompt."""

from langfield.ops.mask_decoder.mask_decoder import Upscaling, counts_above, mask_logits, read_image, write_image

__all__ = ["Upscaling", "counts_above", "mask_logits", "read_image", "write_image"]
