"""A plain reader of glTF's binary files, by its specification."""

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np

TYPES = {5121: "<u1", 5126: "<f4"}
COLUMNS = {"VEC3": 3, "VEC4": 4}


def read_glb(path: Path) -> tuple[dict[str, Any], list[np.ndarray]]:
    """The document, and the numbers of each accessor."""
    content = path.read_bytes()
    magic, version, length = struct.unpack("<4sII", content[:12])
    assert (magic, version, length) == (b"glTF", 2, len(content))
    chunks, at = {}, 12
    while at < len(content):
        size, kind = struct.unpack("<I4s", content[at : at + 8])
        assert size % 4 == 0
        chunks[kind] = content[at + 8 : at + 8 + size]
        at += 8 + size
    assert at == len(content)
    document = json.loads(chunks[b"JSON"])
    arrays = []
    for accessor in document.get("accessors", []):
        view, columns = document["bufferViews"][accessor["bufferView"]], COLUMNS[accessor["type"]]
        assert view["byteOffset"] % 4 == 0
        raw = chunks[b"BIN\0"][view["byteOffset"] : view["byteOffset"] + view["byteLength"]]
        arrays.append(np.frombuffer(raw, TYPES[accessor["componentType"]]).reshape(accessor["count"], columns))
    return document, arrays
