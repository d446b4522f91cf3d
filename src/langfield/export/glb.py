"""glTF files (binary, `.glb`) of things as coloured points with their boxes, for Blender, browsers and simulators.

glTF's axis upwards is +y and its unit the metre; what is written has the input files' units, and stands upright by a
turn of the node that holds all things. Khronos, glTF 2.0 specification, §3 and §4.4.
"""

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Float64, UInt8

from langfield.query.boxes import OrientedBox
from langfield.runs.atomic import write_bytes

_FLOAT, _BYTE = 5126, 5121  # glTF's numbers of types
_POINTS, _LINES = 0, 1  # and of what vertices are
_VERTICES = 34962
_EDGES = [(a, b) for a in range(8) for b in range(a + 1, 8) if bin(a ^ b).count("1") == 1]


@dataclass(frozen=True, eq=False)
class GltfThing:
    """One thing of a file.

    Attributes:
        name: of its node.
        xyz: (N, 3) its points, world frame.
        rgb: (N, 3) their sRGB colours.
        box: about it, world frame; its centre is the node's place.
        extras: further members for programs, plain JSON.
    """

    name: str
    xyz: Float64[np.ndarray, "n 3"]
    rgb: UInt8[np.ndarray, "n 3"]
    box: OrientedBox
    extras: dict[str, Any]


def write_glb(path: str | Path, things: Sequence[GltfThing], up_world: Float[np.ndarray, "3"]) -> None:
    """Write things as nodes below one node "scene", all or nothing. Raises RunError if the file cannot be written.

    Positions are float32, counted from the middle of each thing's box, so that they are exact far from the origin.

    Args:
        up_world: unit, upwards in the frame of the things.
    """
    binary = _Binary()
    meshes, nodes = [], []
    for thing in things:
        middle = np.array(thing.box.centre)
        corners = _corners(thing.box) - middle
        edges = corners[np.array(_EDGES).reshape(-1)]
        parts = [] if not len(thing.xyz) else [binary.vertices(thing.xyz - middle, _POINTS, _linear(thing.rgb))]
        meshes.append({"name": thing.name, "primitives": [*parts, binary.vertices(edges, _LINES)]})
        place = {"name": thing.name, "mesh": len(meshes) - 1, "translation": middle.tolist(), "extras": thing.extras}
        nodes.append(place)
    scene: dict[str, Any] = {"name": "scene", "matrix": _turned_up(up_world).T.reshape(-1).tolist()}
    if nodes:
        scene["children"] = list(range(1, len(nodes) + 1))
    document: dict[str, Any] = {
        "asset": {"version": "2.0", "generator": "langfield"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [scene, *nodes],
    }
    if meshes:
        document |= {"meshes": meshes, **binary.members()}
    write_bytes(Path(path), _glb(document, binary.content))


class _Binary:
    """The numbers of a file, and what its JSON says of them."""

    def __init__(self) -> None:
        self.content = bytearray()
        self._views: list[dict[str, Any]] = []
        self._accessors: list[dict[str, Any]] = []

    def vertices(
        self, xyz: Float64[np.ndarray, "n 3"], mode: int, rgb: UInt8[np.ndarray, "n 3"] | None = None
    ) -> dict[str, Any]:
        """Add vertices; returns the primitive that is made of them."""
        positions = xyz.astype("<f4")
        ends = {"min": positions.min(axis=0).tolist(), "max": positions.max(axis=0).tolist()}
        attributes = {"POSITION": self._add(positions.tobytes(), len(xyz), "VEC3", _FLOAT, ends)}
        if rgb is not None:  # four bytes each: vertices begin at multiples of four
            rgba = np.concatenate([rgb, np.full((len(rgb), 1), 255, np.uint8)], axis=1)
            attributes["COLOR_0"] = self._add(rgba.tobytes(), len(rgb), "VEC4", _BYTE, {"normalized": True})
        return {"attributes": attributes, "mode": mode}

    def _add(self, content: bytes, count: int, shape: str, kind: int, more: dict[str, Any]) -> int:
        view = {"buffer": 0, "byteOffset": len(self.content), "byteLength": len(content), "target": _VERTICES}
        self.content += content
        self._views.append(view)
        self._accessors.append(
            {"bufferView": len(self._views) - 1, "componentType": kind, "count": count, "type": shape, **more}
        )
        return len(self._accessors) - 1

    def members(self) -> dict[str, Any]:
        """What the JSON says of all of it."""
        return {
            "accessors": self._accessors,
            "bufferViews": self._views,
            "buffers": [{"byteLength": len(self.content)}],
        }


def _glb(document: dict[str, Any], binary: bytes | bytearray) -> bytes:
    """The file: a header, a chunk of JSON and one of numbers, each filled up to a multiple of four bytes."""
    text = json.dumps(document, separators=(",", ":")).encode()
    chunks = [(b"JSON", text + b" " * (-len(text) % 4))]
    if binary:
        chunks.append((b"BIN\0", bytes(binary) + b"\0" * (-len(binary) % 4)))
    body = b"".join(struct.pack("<I", len(content)) + kind + content for kind, content in chunks)
    return struct.pack("<4sII", b"glTF", 2, 12 + len(body)) + body


def _linear(rgb: UInt8[np.ndarray, "n 3"]) -> UInt8[np.ndarray, "n 3"]:
    """glTF's colours of vertices are linear: IEC 61966-2-1."""
    value = np.arange(256) / 255
    table = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)
    return np.round(255 * table).astype(np.uint8)[rgb]


def _corners(box: OrientedBox) -> Float64[np.ndarray, "8 3"]:
    """A box's corners; those that share an edge differ in one bit of their number."""
    signs = np.array([[(number >> axis & 1) - 0.5 for axis in range(3)] for number in range(8)])
    return np.array(box.centre) + (signs * np.array(box.size)) @ np.array(box.axes)


def _turned_up(up: Float[np.ndarray, "3"]) -> Float64[np.ndarray, "4 4"]:
    """The turn that brings a unit vector to +y, by the shortest way."""
    axis = np.cross(up, (0.0, 1.0, 0.0))
    cos, sin = float(up[1]), float(np.linalg.norm(axis))
    turn = np.eye(4)
    if sin < 1e-9:
        if cos < 0:
            turn[:3, :3] = np.diag([1.0, -1.0, -1.0])
        return turn
    x, y, z = axis / sin
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    turn[:3, :3] = np.eye(3) + sin * cross + (1 - cos) * cross @ cross
    return turn
