"""Files of Gaussians, told by what they begin with and not by their names: PLY of several kinds, SPZ, `.splat`."""

from dataclasses import dataclass
from pathlib import Path

from langfield.core.errors import DataError
from langfield.core.splats import Splats, half_turned
from langfield.data.formats.compressed_ply import is_compressed, splats_of_compressed_ply
from langfield.data.formats.ply import parse_ply
from langfield.data.formats.splat_checks import usable_splats
from langfield.data.formats.splat_ply import splats_of_ply
from langfield.data.formats.splat_records import is_splat, splats_of_records
from langfield.data.formats.spz import GZIP_MAGIC, SPZ_MAGIC, splats_of_spz

_CONVERT = "convert it to PLY, say by `npx @playcanvas/splat-transform IN OUT.ply`"
# What else Gaussians come in: how such files begin, how they are called.
_ZIP_MAGIC, _GLB_MAGIC = b"PK\x03\x04", b"glTF"
_NOT_READ = {".ksplat": "a .ksplat", ".sog": "a .sog", ".lcc": "a .lcc"}


@dataclass(frozen=True, eq=False)
class SplatFile:
    """What a file of Gaussians says.

    Attributes:
        splats: those that can be, in the frame that a PLY file of them would be in.
        left_out: how many others there were.
        frame_unsure: whether many programs write such files without turning the frame, so that `half_turned` may be the
            right one. So it is with SPZ: its axes are right, up, back by its specification, those of PLY right, down,
            forward, but Niantic's own converter, for one, turns nothing.
        notes: lines for a person: what was guessed.
    """

    splats: Splats
    left_out: int
    frame_unsure: bool
    notes: tuple[str, ...]


def read_splats(path: str | Path) -> SplatFile:
    """Read Gaussians from a file of any form that is known.

    * PLY of 3D Gaussian splatting and its kin, ascii or binary, of any degree of harmonics or of plain colours; of 2D
      Gaussian splatting; and SuperSplat's compressed one;
    * SPZ of versions 2 and 3;
    * `.splat`.

    Gaussians whose numbers cannot be are left out, see `usable_splats`.

    Raises DataError for files of other forms, with what to do; for files that are torn or hostile; and when more than
    half of the Gaussians cannot be.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror}): check the path, or restore the file", path) from error
    splats, notes, turned = _splats(content, path)
    usable, left_out = usable_splats(splats, path)
    return SplatFile(half_turned(usable) if turned else usable, left_out, turned, tuple(notes))


def _splats(content: bytes, path: Path) -> tuple[Splats, list[str], bool]:
    """The Gaussians, notes, and whether they are in SPZ's frame."""
    if content.startswith((GZIP_MAGIC, SPZ_MAGIC)):
        return splats_of_spz(content, path), [], True
    if content.startswith(b"ply"):
        ply = parse_ply(content, path)
        if is_compressed(ply):
            return splats_of_compressed_ply(ply), [], False
        return *splats_of_ply(ply), False
    suffix = path.suffix.lower()
    if content.startswith(_ZIP_MAGIC):
        raise DataError(f"is a zip file, as .sog is: {_CONVERT}", path)
    if content.startswith(_GLB_MAGIC) or suffix in _NOT_READ:
        raise DataError(f"is {_NOT_READ.get(suffix, 'a glTF')} file, which is not read: {_CONVERT}", path)
    if suffix == ".splat" or is_splat(content):
        return splats_of_records(content, path), [], False
    raise DataError("is no file of Gaussians that is read, PLY, SPZ and .splat are: export the scene again", path)
