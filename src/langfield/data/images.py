"""Pictures from disk: photos, masks and depths, decoded lazily, at the size they are used, within a memory budget."""

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32, UInt8
from PIL import Image

from langfield.core.errors import DataError, LangfieldError
from langfield.data.views import Scene

# From here on Pillow itself suspects a decompression bomb; its warning is an error here.
MAX_PIXELS = 89_478_485
_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF")
_GREY_16_BIT = ("I;16", "I;16B", "I;16L", "I;16N")

Rgb = UInt8[np.ndarray, "h w 3"]


def image_size(path: Path) -> tuple[int, int]:
    """Width and height in pixels from the file's header, as stored (EXIF orientation is not applied)."""
    with _opened(path) as image:
        return image.size


def decode_image(path: Path, size: tuple[int, int] | None = None) -> Rgb:
    """Decode a photo to 8-bit sRGB.

    Poses belong to the pixels as stored, so EXIF orientation is not applied. Transparent pixels are laid on white.
    16-bit grey keeps its upper 8 bits.

    Args:
        path: a JPEG, PNG, WebP or TIFF file of at most 89 megapixels.
        size: width and height to resize to (Lanczos, antialiased); None keeps the picture's.

    Raises DataError naming the file if it is missing, torn, too large, or of another kind.
    """
    with _opened(path) as image:
        resize = size is not None and size != image.size
        # A JPEG can be decoded at 1/2, 1/4 or 1/8 at once; `box` is the picture's exact extent on that raster.
        drafted = image.draft("RGB", size) if resize else None
        rgb = _as_rgb(image, path)
        if resize and size is not None:
            rgb = rgb.resize(size, Image.Resampling.LANCZOS, box=drafted[1] if drafted else None)
        return np.array(rgb)


def decode_mask(path: Path, size: tuple[int, int]) -> Bool[np.ndarray, "h w"]:
    """Decode a mask to the photo's size (nearest pixel): True where any colour is nonzero, which means "use it".

    Raises DataError if the file cannot be read or is of another shape than width : height of `size`.
    """
    with _opened(path) as image:
        if not same_shape(image.size, size):
            raise DataError(
                f"is a mask of {image.width}x{image.height} pixels for a photo of {size[0]}x{size[1]}: "
                "a mask must cover the same picture",
                path,
            )
        deep = image.mode in (*_GREY_16_BIT, "I", "F")
        values = np.asarray(image if deep else image.convert("RGB"))
    used = (values if deep else values.max(axis=-1)) != 0
    columns = ((np.arange(size[0]) + 0.5) * used.shape[1] / size[0]).astype(np.int64)
    rows = ((np.arange(size[1]) + 0.5) * used.shape[0] / size[1]).astype(np.int64)
    return used[rows[:, None], columns]


def decode_depth(path: Path, unit: float) -> Float32[np.ndarray, "h w"]:
    """Decode z-depth to world units: 16-bit (or deeper) grey pictures, or a 2D `.npy` array; `unit` scales either.

    Returns 0 where nothing was measured (0, negative or not finite in the file).
    Raises DataError for 8-bit or colour pictures, other arrays, and torn files.
    """
    if path.suffix.lower() == ".npy":
        raw = _npy(path)
    else:
        with _opened(path) as image:
            if image.mode not in (*_GREY_16_BIT, "I", "F"):
                raise DataError(f"is no depth picture ({image.mode}, 8 bit): 16-bit grey PNG or .npy is read", path)
            raw = np.asarray(image)
    with np.errstate(over="ignore", invalid="ignore"):
        depth = (raw.astype(np.float64) * unit).astype(np.float32)
    depth[~(np.isfinite(depth) & (depth > 0))] = 0.0
    return depth


def same_shape(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether two sizes can be the same picture at two resolutions (each side within a pixel's rounding)."""
    if one[0] > other[0]:
        one, other = other, one
    return abs(other[1] * one[0] / other[0] - one[1]) <= 1.0


def _npy(path: Path) -> np.ndarray:
    try:
        # Mapped, so that a header that promises more than the file holds is refused before anything is allocated.
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # numpy's header parser lets many kinds through
        raise DataError(f"cannot be read as a .npy array ({_first_line(error)}): write it again", path) from error
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim != 2 or array.dtype.kind not in "fiu" or not 0 < array.size <= MAX_PIXELS:
        raise DataError(f"holds {array.dtype} of shape {array.shape}: depth is a 2D array of numbers", path)
    return array


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """Open a picture of an allowed kind and size; whatever goes wrong inside becomes a DataError naming the file."""
    too_large = f"has more than {MAX_PIXELS} pixels, the most that is read: make the picture smaller"
    try:
        with Image.open(path, formats=_FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise DataError(too_large, path)
            yield image
    except LangfieldError:
        raise
    except FileNotFoundError as error:
        raise DataError("does not exist: restore it or take it out of the scene", path) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError(too_large, path) from error
    except Image.UnidentifiedImageError as error:
        raise DataError("is no picture of a kind that is read: JPEG, PNG, WebP and TIFF are", path) from error
    except Exception as error:  # decoders fed with torn or hostile bytes raise anything
        raise DataError(f"cannot be decoded ({_first_line(error)}): replace the file", path) from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:120]


def _as_rgb(image: Image.Image, path: Path) -> Image.Image:
    if image.mode in _GREY_16_BIT:
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode in ("I", "F"):
        raise DataError(f"is a 32-bit grey picture (mode {image.mode}): save photos with 8 bits a colour", path)
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
    return image.convert("RGB")


class ImageCache:
    """A scene's photos at the size they are used, decoded when first asked for, the last used kept within a budget.

    Safe to use from several threads; one photo is never decoded twice at the same time.
    """

    def __init__(self, scene: Scene, budget_bytes: int) -> None:
        self._views = scene.views
        self._budget_bytes = budget_bytes
        self._kept: OrderedDict[int, Rgb] = OrderedDict()
        self._lock = threading.Lock()
        self._view_locks = [threading.Lock() for _ in scene.views]

    @property
    def kept_bytes(self) -> int:
        """What the kept photos take."""
        with self._lock:
            return sum(rgb.nbytes for rgb in self._kept.values())

    def rgb(self, view_index: int) -> Rgb:
        """The photo of one view, read-only. A photo larger than the budget is decoded at each call."""
        with self._view_locks[view_index]:
            with self._lock:
                if view_index in self._kept:
                    self._kept.move_to_end(view_index)
                    return self._kept[view_index]
            view = self._views[view_index]
            rgb = decode_image(view.image_path, view.size_px)
            rgb.flags.writeable = False
            with self._lock:
                self._keep(view_index, rgb)
            return rgb

    def _keep(self, view_index: int, rgb: Rgb) -> None:
        if rgb.nbytes > self._budget_bytes:
            return
        self._kept[view_index] = rgb
        total = sum(kept.nbytes for kept in self._kept.values())
        while total > self._budget_bytes:
            _, dropped = self._kept.popitem(last=False)
            total -= dropped.nbytes
