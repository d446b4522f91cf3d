"""Pictures from disk: photos and masks, decoded at the size they are used."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image

from langfield.core.errors import DataError, LangfieldError
from langfield.data.deep_pictures import Kind, in_8_bits, kind_of, largest_colour
from langfield.data.large_pictures import (
    MAX_PIXELS,
    MAX_PIXELS_IN_PARTS,
    is_read_in_parts,
    opened_picture,
    png_bands,
)

_GREY_16_BIT = ("I;16", "I;16B", "I;16L", "I;16N")

Rgb = UInt8[np.ndarray, "h w 3"]


def image_size(path: str | Path) -> tuple[int, int]:
    """Width and height in pixels from the file's header, as stored (EXIF orientation is not applied)."""
    with _opened(Path(path), in_parts=True) as image:
        return image.size


def decode_image(path: str | Path, size: tuple[int, int] | None = None, white_level: float | None = None) -> Rgb:
    """Decode a photo to 8-bit sRGB.

    Poses belong to the pixels as stored, so EXIF orientation is not applied. Transparent pixels are laid on white.

    Args:
        path: a JPEG, PNG, WebP or TIFF file of at most 89 megapixels. JPEG and PNG that are used at half their size or
            smaller may have 250: they are never held whole.
        size: width and height to resize to (Lanczos, antialiased); None keeps the picture's.
        white_level: the value that is white in pictures of more than 8 bits a colour; 8-bit ones are as they are. None
            keeps the upper 8 of 16 bits.

    Raises DataError naming the file if it is missing, torn, too large, or of another kind.
    """
    path = Path(path)
    with _opened(path, in_parts=size is not None) as image:
        if size is None or size == image.size:
            _check_held_whole(image, path)
            return np.array(_as_rgb(image, path, white_level=white_level))
        if _pixels(image) > MAX_PIXELS and image.format == "PNG":
            rgb, box = _shrunk_png(image, path, size, white_level)
        else:
            # A JPEG can be decoded at 1/2, 1/4 or 1/8 at once; `box` is the picture's exact extent on that raster.
            drafted = image.draft("RGB", size)
            _check_held_whole(image, path)
            rgb = _as_rgb(image, path, white_level=white_level)
            box = drafted[1] if drafted else None
        return np.array(rgb.resize(size, Image.Resampling.LANCZOS, box=box))


def _shrunk_png(
    image: Image.Image, path: Path, size: tuple[int, int], white_level: float | None
) -> tuple[Image.Image, tuple[float, float, float, float]]:
    """A PNG at a whole fraction of its size that is at least `size`, read in bands; and its exact extent there."""
    factor = max(1, min(image.width // size[0], image.height // size[1]))
    rgb = Image.new("RGB", (-(-image.width // factor), -(-image.height // factor)))
    _check_held_whole(rgb, path)
    top = 0
    for band in png_bands(path, factor):
        part = _as_rgb(band, path, white_level=white_level).reduce(factor)
        rgb.paste(part, (0, top))
        top += part.height
    return rgb, (0, 0, image.width / factor, image.height / factor)


def decode_mask(path: str | Path, size: tuple[int, int]) -> Bool[np.ndarray, "h w"]:
    """Decode a mask to the photo's size (nearest pixel): True where any colour is nonzero, which means "use it".

    Raises DataError if the file cannot be read or is of another shape than width : height of `size`.
    """
    path = Path(path)
    with _opened(path, in_parts=True) as image:
        if not same_shape(image.size, size):
            raise DataError(
                f"is a mask of {image.width}x{image.height} pixels for a photo of {size[0]}x{size[1]}: "
                "a mask must cover the same picture",
                path,
            )
        in_bands = _pixels(image) > MAX_PIXELS and image.format == "PNG"
        if not in_bands:
            _check_held_whole(image, path)
        columns = ((np.arange(size[0]) + 0.5) * image.width / size[0]).astype(np.int64)
        rows = ((np.arange(size[1]) + 0.5) * image.height / size[1]).astype(np.int64)
        parts, top = [], 0
        for band in png_bands(path, 1) if in_bands else [image]:
            here = rows[(rows >= top) & (rows < top + band.height)] - top
            parts.append(_nonzero(band)[here[:, None], columns])
            top += band.height
        return np.concatenate(parts)


def decode_black_and_white(path: str | Path) -> Bool[np.ndarray, "h w"]:
    """Decode a picture of black and white at its own size: True where it is white (128 and above; a transparent pixel
    is black).

    Raises DataError naming the file as `decode_image` does, and for colours or a picture that is no brighter than 127
    but not black (masks of 0 and 1 are such).
    """
    path = Path(path)
    with _opened(path) as image:
        rgb = np.asarray(_as_rgb(image, path, ground="black"))
    grey = rgb[:, :, 0]
    if (rgb != grey[:, :, None]).any():
        raise DataError("is a picture in colour: a mask is black and white", path)
    brightest = int(grey.max())
    if 0 < brightest < 128:
        raise DataError(f"is a mask without white, its brightest pixel is {brightest}: save it with 0 and 255", path)
    return grey >= 128


def deep_kind(path: Path) -> Kind | None:
    """What a picture of more than 8 bits a colour holds, by its header; None for one of 8 bits.

    Raises DataError as `image_size` does, and for bits that are stored in a way that cannot be read.
    """
    with _opened(path) as image:
        return kind_of(image, path)


def largest_deep_value(path: Path) -> float:
    """`largest_colour` of a file. Raises DataError as `decode_image` does."""
    with _opened(path) as image:
        return largest_colour(image)


def same_shape(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether two sizes can be the same picture at two resolutions (each side within a pixel's rounding)."""
    if one[0] > other[0]:
        one, other = other, one
    return abs(other[1] * one[0] / other[0] - one[1]) <= 1.0


@contextmanager
def _opened(path: Path, in_parts: bool = False) -> Iterator[Image.Image]:
    """Open a picture of an allowed kind and size; whatever goes wrong inside becomes a DataError naming the file.

    Args:
        in_parts: larger pictures are allowed if they are of a kind that need not be held whole.
    """
    try:
        with opened_picture(path) as image:
            if not in_parts:
                _check_held_whole(image, path)
            elif _pixels(image) > MAX_PIXELS:
                _check_read_in_parts(image, path)
            yield image
    except LangfieldError:
        raise
    except FileNotFoundError as error:
        raise DataError("does not exist: restore it or take it out of the scene", path) from error
    except Image.UnidentifiedImageError as error:
        raise DataError("is no picture of a kind that is read: JPEG, PNG, WebP and TIFF are", path) from error
    except Exception as error:  # decoders fed with torn or hostile bytes raise anything
        raise DataError(f"cannot be decoded ({_first_line(error)}): replace the file", path) from error


def _nonzero(image: Image.Image) -> Bool[np.ndarray, "h w"]:
    """Where any colour is not 0."""
    deep = image.mode in (*_GREY_16_BIT, "I", "F")
    values = np.asarray(image if deep else image.convert("RGB"))
    return (values if deep else values.max(axis=-1)) != 0


def _pixels(image: Image.Image) -> int:
    return image.width * image.height


def _check_held_whole(image: Image.Image, path: Path) -> None:
    if _pixels(image) > MAX_PIXELS:
        raise DataError(f"has more than {MAX_PIXELS} pixels, the most that is read: make the picture smaller", path)


def _check_read_in_parts(image: Image.Image, path: Path) -> None:
    if not is_read_in_parts(image):
        raise DataError(
            f"has more than {MAX_PIXELS} pixels, the most that is read of its kind: make the picture smaller, or save "
            "it as JPEG",
            path,
        )
    if _pixels(image) > MAX_PIXELS_IN_PARTS:
        raise DataError(
            f"has more than {MAX_PIXELS_IN_PARTS} pixels, the most that is read: make the picture smaller", path
        )


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]


def _as_rgb(image: Image.Image, path: Path, ground: str = "white", white_level: float | None = None) -> Image.Image:
    if white_level is not None and kind_of(image, path) is not None:
        image = Image.fromarray(in_8_bits(image, white_level))
    if image.mode in _GREY_16_BIT:
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode in ("I", "F"):
        raise DataError(f"is a 32-bit grey picture (mode {image.mode}): save photos with 8 bits a colour", path)
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, ground), rgba).convert("RGB")
    return image.convert("RGB")
