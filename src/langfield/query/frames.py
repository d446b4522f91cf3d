"""Frames for people, made where pictures were rendered: colours of relevancy and depth, and JPEG.

The same as `langfield.query.pictures`, to a level of 255, on a CPU or a GPU; a frame of a moving camera leaves a GPU
once, as JPEG that it encoded itself.
"""

import io
import warnings
from collections.abc import Callable
from functools import cache

import torch
from jaxtyping import Bool, Float, UInt8
from PIL import Image
from torch import Tensor

from langfield.core.devices import to_device_async, to_host
from langfield.query.pictures import DECISION, TURBO

_PIXELS_FOR_PERCENTILES = 2**16


def turbo_colours(values: Float[Tensor, "h w"]) -> UInt8[Tensor, "h w 3"]:
    """`pictures.turbo`: values in [0, 1] (clipped) to colours from dark blue over green to dark red."""
    v = values.nan_to_num().clamp(0, 1)[..., None]
    coefficients = to_device_async(TURBO, values.device)
    colours = coefficients[:, -1].expand(*values.shape, 3)
    for power in range(coefficients.shape[1] - 2, -1, -1):
        colours = torch.addcmul(coefficients[:, power], colours, v)
    return _bytes(255 * colours)


def relevancy_over(
    rgb: UInt8[Tensor, "h w 3"],
    relevancy: Float[Tensor, "h w"],
    mask: Bool[Tensor, "h w"] | None = None,
    opacity: float = 0.75,
) -> UInt8[Tensor, "h w 3"]:
    """`pictures.composited`: relevancy in turbo over the picture inside of a mask; the picture, dimmed, elsewhere.

    Args:
        mask: where the phrase is; None takes the pixels whose relevancy exceeds 0.5, which may be none.
        opacity: of turbo over the picture.
    """
    inside = relevancy > DECISION if mask is None else mask
    low = torch.where(inside, relevancy, DECISION).amin().clamp_max(DECISION)
    top = torch.where(inside, relevancy, low).amax()
    heat = turbo_colours((relevancy - low) / (top - low).clamp_min(1e-6))
    base = rgb.float()
    return _bytes(torch.where(inside[..., None], torch.lerp(base, heat.float(), opacity), 0.6 * base))


def depth_colours(depth: Float[Tensor, "h w"]) -> UInt8[Tensor, "h w 3"]:
    """`pictures.depth_picture`, whose percentiles are of 65,536 pixels, evenly spread, where there are more."""
    finite = depth.isfinite() & (depth > 0)
    inverse = torch.where(finite, 1 / torch.where(finite, depth, 1), 0)
    known = inverse[finite]
    if not len(known):
        return torch.zeros(*depth.shape, 3, dtype=torch.uint8, device=depth.device)
    some = known[:: -(-len(known) // _PIXELS_FOR_PERCENTILES)]
    low, high = some.quantile(torch.tensor([0.02, 0.98], device=depth.device, dtype=some.dtype))
    colours = turbo_colours((inverse - low) / (high - low).clamp_min(1e-9))
    return colours * finite[..., None]


def encode_jpeg(rgb: UInt8[Tensor, "h w 3"], quality: int = 90) -> bytes:
    """A picture as JPEG with the colours of every pixel (4:4:4): by the GPU that it is on, if torchvision has nvJPEG
    for it, else by PIL.

    Args:
        quality: 1 to 100.
    """
    on_gpu = _gpu_encoder() if rgb.is_cuda else None
    if on_gpu is not None:
        return to_host(on_gpu(rgb.permute(2, 0, 1).contiguous(), quality))[0].tobytes()
    file = io.BytesIO()
    Image.fromarray(to_host(rgb.contiguous())[0]).save(file, "JPEG", quality=quality, subsampling=0)
    return file.getvalue()


@cache
def _gpu_encoder() -> Callable[[UInt8[Tensor, "3 h w"], int], UInt8[Tensor, " n"]] | None:
    """torchvision's encoder if it works on this GPU; None where there is no torchvision, or one without nvJPEG."""
    try:
        from torchvision.io import encode_jpeg as encode

        def quietly(rgb: UInt8[Tensor, "3 h w"], quality: int) -> UInt8[Tensor, " n"]:
            with warnings.catch_warnings():  # newer versions say that another package is to take over
                warnings.simplefilter("ignore")
                found = encode(rgb, quality)
            assert isinstance(found, Tensor)
            return found

        quietly(torch.zeros(3, 16, 16, dtype=torch.uint8, device="cuda"), 90)
    except (ImportError, RuntimeError, AttributeError):
        return None
    return quietly


def _bytes(levels: Float[Tensor, "h w 3"]) -> UInt8[Tensor, "h w 3"]:
    """Levels of 255, rounded and clipped."""
    return levels.round().clamp_(0, 255).to(torch.uint8)
