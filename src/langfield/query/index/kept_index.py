"""A run's index on disk, so that only the first question to a run makes it: `index.safetensors` in the run directory.

It is no part of the run, and may be deleted at any time. It holds what `SceneIndex.tensors` gives and, of a field, the
small pictures that the index was made from. Its key is a digest of all that these follow from: the model's file, the
run's settings and cameras, the kind of device, and the code itself. Encoder, negatives and groups change only what is
asked of the index, and are no part of the key. An index of another key, or a torn one, is made anew and replaced.
"""

import functools
import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from langfield.core.errors import RunError
from langfield.core.version import package_version
from langfield.models.base import Rendered
from langfield.query.index.scene_index import SceneIndex
from langfield.runs.directory import INDEX, Run
from langfield.runs.kept_tensors import read_kept, write_kept

MAX_BYTES = 500_000_000  # larger ones are not kept
_PACKAGE = Path(__file__).parents[2]
# Whose code says what an index is.
_MADE_BY = ("core", "ops", "fields", "renderers", "models", "query/index", "query/opened_scene.py")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class IndexFile:
    """Where a run's index is kept.

    Attributes:
        path: of the file, which need not exist.
        key: digest of all that the index follows from.
        device: where the index is used.
    """

    path: Path
    key: str
    device: torch.device

    @classmethod
    def of_run(cls, run: Run, device: torch.device) -> "IndexFile":
        document = run.info.document()
        follows_from = {
            "model.safetensors": run.files["model.safetensors"].sha256,
            "model": document["model"],
            "scene_from_world": document["scene"]["scene_from_world"],
            "views": document["scene"]["views"],
            "device": device.type,
            "code": [package_version(), torch.__version__, code_digest()],
        }
        key = hashlib.sha256(json.dumps(follows_from, sort_keys=True).encode()).hexdigest()
        return cls(run.path / INDEX, key, device)

    def read(self) -> tuple[SceneIndex, list[Rendered]] | None:
        """The index, and the pictures that were kept with it; None if there is none that is whole and of this key."""
        tensors = read_kept(self.path, self.key, MAX_BYTES)
        if tensors is None:
            return None
        pictures = []
        try:
            while f"pictures.{len(pictures)}.rgb" in tensors:
                rgb, depth = (tensors[f"pictures.{len(pictures)}.{what}"].to(self.device) for what in ("rgb", "depth"))
                pictures.append(Rendered(rgb=rgb, depth_scene=depth))
            return SceneIndex.from_tensors(tensors, self.device), pictures
        except (KeyError, TypeError, ValueError) as error:  # a file that something else wrote
            _log.info("%s: is no index: %r", self.path, error)
            return None

    def write(self, index: SceneIndex, pictures: Sequence[Rendered]) -> None:
        """Keep an index, and pictures with colour and depth. Where that cannot be done, as in a folder that one may
        only read, questions wait for the index each time."""
        tensors = index.tensors()
        for number, picture in enumerate(pictures):
            assert picture.rgb is not None
            assert picture.depth_scene is not None
            tensors |= {f"pictures.{number}.rgb": picture.rgb, f"pictures.{number}.depth": picture.depth_scene}
        size = sum(tensor.nbytes for tensor in tensors.values())
        if size > MAX_BYTES:
            _log.info("%s: is not kept, for it has %d bytes; at most %d are kept", self.path, size, MAX_BYTES)
            return
        try:
            write_kept(self.path, self.key, tensors)
        except RunError as error:
            _log.info("%s", error)


@functools.cache
def code_digest() -> str:
    """SHA-256 of the modules that make an index, so that whoever changes one is not answered from an old index."""
    digest = hashlib.sha256()
    for part in _MADE_BY:
        path = _PACKAGE / part
        for file in [path] if path.is_file() else sorted(path.rglob("*.py")):
            digest.update(f"{file.relative_to(_PACKAGE).as_posix()}\n".encode() + file.read_bytes())
    return digest.hexdigest()
