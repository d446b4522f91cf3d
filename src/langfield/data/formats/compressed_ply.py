"""Gaussians from compressed PLY files, as SuperSplat and splat-transform write them.

Layout: https://developer.playcanvas.com/user-manual/gaussian-splatting/formats/ply/. Gaussians come in chunks of 256.
The element `chunk` has the bounds of each chunk's places, log scales and (in newer files) colours; in `vertex` each
Gaussian is four words of 32 bits, fractions between these bounds; an element `sh` has the higher harmonics in bytes.
"""

import numpy as np
from jaxtyping import Float32, Float64, UInt32

from langfield.core.errors import DataError
from langfield.core.splats import REST_COUNTS, Splats, rest_names
from langfield.data.formats.ply import Ply
from langfield.data.formats.splat_checks import harmonics_of_colours, logits_of_opacities

_CHUNK = 256
_WORDS = ("packed_position", "packed_rotation", "packed_scale", "packed_color")
_BOUNDS = [f"{end}_{name}" for name in ("x", "y", "z", "scale_x", "scale_y", "scale_z") for end in ("min", "max")]
_XYZ_BITS = ((21, 11), (11, 10), (0, 11))  # shift, bits
_RGBA_BITS = ((24, 8), (16, 8), (8, 8), (0, 8))
_ROTATION_BITS = ((20, 10), (10, 10), (0, 10))
_SH_RANGE = 8.0  # bytes stand for −4 to 4


def is_compressed(ply: Ply) -> bool:
    """Whether a PLY file has Gaussians in compressed form."""
    return any(
        element.name == "vertex" and any(name == _WORDS[0] for name, _ in element.fields or ())
        for element in ply.elements
    )


def splats_of_compressed_ply(ply: Ply) -> Splats:
    """The Gaussians of a compressed PLY file, unchecked, in the file's own frame.

    Raises DataError for what `Ply.table` refuses, and for properties, chunks or harmonics that do not fit the form.
    """
    vertex, chunk = ply.table("vertex"), ply.table("chunk")
    _check_form(vertex, chunk, ply)
    position, rotation, scale, colour = (vertex[name].astype(np.uint32) for name in _WORDS)
    of_chunk = np.arange(len(vertex)) // _CHUNK
    rgba = _fractions(colour, _RGBA_BITS)
    rgb = _between(chunk, ("r", "g", "b"), of_chunk, rgba[:, :3]) if _has_colour_bounds(chunk) else rgba[:, :3]
    dc = harmonics_of_colours(rgb)
    return Splats(
        means=_between(chunk, ("x", "y", "z"), of_chunk, _fractions(position, _XYZ_BITS)),
        rotations=_rotations(rotation),
        log_scales=_between(chunk, ("scale_x", "scale_y", "scale_z"), of_chunk, _fractions(scale, _XYZ_BITS)).astype(
            np.float32
        ),
        opacity_logits=logits_of_opacities(rgba[:, 3]),
        harmonics=np.concatenate([dc[:, None], _higher_harmonics(ply, len(vertex))], axis=1),
    )


def _check_form(vertex: np.ndarray, chunk: np.ndarray, ply: Ply) -> None:
    for table, needed in ((vertex, _WORDS), (chunk, _BOUNDS)):
        if missing := [name for name in needed if name not in (table.dtype.names or ())]:
            raise DataError(
                f"holds Gaussians in compressed form without {', '.join(missing)}: export the scene again", ply.path
            )
    if any(vertex.dtype[name].kind == "f" or vertex.dtype[name].itemsize < 4 for name in _WORDS):
        raise DataError("holds Gaussians in compressed form that are no 32-bit words: export the scene again", ply.path)
    chunks = -(-len(vertex) // _CHUNK)
    if len(chunk) < chunks:
        raise DataError(
            f"holds {len(vertex)} Gaussians in compressed form, which need {chunks} chunks, but has {len(chunk)}: "
            "export the scene again",
            ply.path,
        )


def _has_colour_bounds(chunk: np.ndarray) -> bool:
    return all(f"{end}_{name}" in (chunk.dtype.names or ()) for name in "rgb" for end in ("min", "max"))


def _fractions(words: UInt32[np.ndarray, " n"], bits: tuple[tuple[int, int], ...]) -> Float64[np.ndarray, "n c"]:
    """Parts of words as fractions of the largest number of so many bits."""
    return np.stack([((words >> shift) & (2**size - 1)) / (2**size - 1) for shift, size in bits], axis=1)


def _between(
    chunk: np.ndarray, names: tuple[str, ...], of_chunk: np.ndarray, fractions: Float64[np.ndarray, "n c"]
) -> Float64[np.ndarray, "n c"]:
    low, high = (
        np.stack([chunk[f"{end}_{name}"].astype(np.float64) for name in names], axis=1)[of_chunk]
        for end in ("min", "max")
    )
    with np.errstate(invalid="ignore"):  # bounds that are not finite: what lies between them is left out
        return low * (1 - fractions) + high * fractions


def _rotations(words: UInt32[np.ndarray, " n"]) -> Float32[np.ndarray, "n 4"]:
    """Quaternions wxyz: the upper two bits say which is the largest, the others follow in their order."""
    three = (_fractions(words, _ROTATION_BITS) - 0.5) * np.sqrt(2)
    largest = np.sqrt(np.maximum(0, 1 - (three**2).sum(axis=1)))
    return quaternions(largest, three, (words >> 30).astype(np.int64))


def quaternions(
    largest: Float64[np.ndarray, " n"], three: Float64[np.ndarray, "n 3"], place: np.ndarray
) -> Float32[np.ndarray, "n 4"]:
    """Each row's `largest` put in at its `place` (0 to 3) among its other three, which keep their order."""
    columns = np.arange(4)
    others = np.take_along_axis(three, np.clip(columns - (columns > place[:, None]), 0, 2), axis=1)
    return np.where(columns == place[:, None], largest[:, None], others).astype(np.float32)


def _higher_harmonics(ply: Ply, count: int) -> Float32[np.ndarray, "n k 3"]:
    if not any(element.name == "sh" for element in ply.elements):
        return np.zeros((count, 0, 3), dtype=np.float32)
    table = ply.table("sh")
    found = set(table.dtype.names or ())
    if len(found) not in REST_COUNTS or found != set(rest_names(len(found))) or len(table) != count:
        raise DataError(
            f"has harmonics of {len(found)} coefficients for {len(table)} of {count} Gaussians: export the scene again",
            ply.path,
        )
    values = np.stack([table[name].astype(np.float32) for name in rest_names(len(found))], axis=1)
    middle = np.where(values <= 0, 0, np.where(values >= 255, 1, (values + 0.5) / 256))
    return ((middle - 0.5) * _SH_RANGE).astype(np.float32).reshape(count, 3, -1).transpose(0, 2, 1)
