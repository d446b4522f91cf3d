"""Path-traced pictures of a table scene with the ids, parts and depth of every pixel, by Mitsuba 3.

Ids come from a second scene in which every shape is painted with its numbers: its albedo is read back.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
from jaxtyping import Float32, UInt8
from scipy import sparse

from langfield.core.cameras import Camera
from langfield.core.errors import UsageError
from langfield_synthetic.meshes import Mesh
from langfield_synthetic.rooms import LightPanel
from langfield_synthetic.scenes import TableScene
from langfield_synthetic.things import Surface

TABLE_ID, ROOM_ID, FIRST_THING_ID = 1, 2, 10
_CREASE_DEGREES = 40.0
_Corners = tuple[np.ndarray, np.ndarray | None, np.ndarray]


@dataclass(frozen=True, eq=False, kw_only=True)
class Truth:
    """What is at each pixel of a picture.

    ids: 0 nothing, 1 table, 2 room, 10 + k the scene's thing k. parts: 1 + k the k-th part of the thing there, 0 where
    no thing is. depth: along the camera's z in metres, 0 where nothing is.
    """

    ids: UInt8[np.ndarray, "H W"]
    parts: UInt8[np.ndarray, "H W"]
    depth: Float32[np.ndarray, "H W"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Rendering(Truth):
    """What a camera sees, in sRGB, and what is there."""

    rgb: UInt8[np.ndarray, "H W 3"]


@dataclass(frozen=True, eq=False)
class _Shape:
    """A part of the scene by the numbers of `Truth`, with the corners of its faces as `_corners` gives them."""

    id: int
    part: int
    corners: _Corners
    surface: Surface


def use_mitsuba(variant: str | None = None) -> ModuleType:
    """Mitsuba with its variant set: "cuda_ad_rgb" where there is a GPU, otherwise "scalar_rgb"."""
    try:
        import mitsuba
    except ImportError as error:
        raise UsageError(f"rendering needs Mitsuba 3, but {error}: pip install 'mitsuba>=3.9'") from error
    if variant is None:
        import torch

        variant = "cuda_ad_rgb" if torch.cuda.is_available() else "scalar_rgb"
    mitsuba.set_variant(variant)
    mitsuba.set_log_level(mitsuba.LogLevel.Error)
    return mitsuba


class TruthRenderer:
    """A scene made ready for its truth alone, which takes one camera path a pixel: `TruthRenderer(mitsuba, scene)`."""

    def __init__(self, mitsuba: ModuleType, scene: TableScene) -> None:
        self._mi = mitsuba
        self.shapes = _shapes_of(scene)
        painted: dict[str, Any] = {}
        for name, shape in self.shapes.items():
            colour = [shape.id / 255.0, shape.part / 255.0, 0.0]
            bsdf = {"type": "diffuse", "reflectance": {"type": "rgb", "value": colour}}
            painted[name] = _shape(mitsuba, name, *shape.corners, {"bsdf": bsdf})
        channels = {"type": "aov", "aovs": "albedo:albedo,position:position"}
        self._scene = mitsuba.load_dict({"type": "scene", "integrator": channels} | painted)

    def render(self, cameras: Sequence[Camera]) -> Iterator[Truth]:
        """The truth of each camera's picture (without distortion); a pixel's is that of one place inside of it."""
        for k, camera in enumerate(cameras):
            picture = np.asarray(self._mi.render(self._scene, sensor=_sensor(self._mi, camera), spp=1, seed=k))
            albedo, position = picture[..., -6:-3], picture[..., -3:]
            ids, parts = np.moveaxis(np.rint(albedo[..., :2] * 255).astype(np.uint8), -1, 0)
            depth = (position - camera.world_from_camera[:3, 3]) @ camera.world_from_camera[:3, 2]
            yield Truth(ids=ids, parts=parts, depth=np.where(ids > 0, depth, 0.0).astype(np.float32))


class Renderer:
    """A scene made ready for rendering: `Renderer(mitsuba, scene).render(cameras, samples)`."""

    def __init__(self, mitsuba: ModuleType, scene: TableScene, max_bounces: int = 7) -> None:
        self._mi = mitsuba
        room = scene.room
        self._white = room.white
        self._truth = TruthRenderer(mitsuba, scene)
        shapes = {
            name: _shape(mitsuba, name, *shape.corners, self._surface(shape.surface))
            for name, shape in self._truth.shapes.items()
        }
        lights = {f"light_{k}": self._light(panel) for k, panel in enumerate(room.light_panels)}
        ambient = {"type": "constant", "radiance": {"type": "rgb", "value": list(map(float, room.ambient))}}
        self._scene = mitsuba.load_dict(
            {"type": "scene", "integrator": {"type": "path", "max_depth": max_bounces}}
            | {"ambient": ambient}
            | lights
            | shapes
        )

    def render(
        self,
        cameras: Sequence[Camera],
        samples: int,
        *,
        seed: int = 0,
        white: float = 0.88,
    ) -> Iterator[Rendering]:
        """Pictures by the cameras (without distortion), all with one exposure.

        Args:
            samples: camera paths a pixel.
            white: sRGB value, 0 to 1, that a white sheet in the middle of the table gets.
        """
        gain = float(_linear(np.array(white))) / self._white
        for k, (camera, truth) in enumerate(zip(cameras, self._truth.render(cameras), strict=True)):
            sensor = _sensor(self._mi, camera)
            linear = np.asarray(
                self._mi.render(self._scene, sensor=sensor, spp=samples, seed=(seed * 1000 + k) % 2**31)
            )[..., :3]
            linear = np.nan_to_num(linear, nan=0.0, posinf=0.0, neginf=0.0)
            yield Rendering(rgb=_display(linear * gain), **vars(truth))

    def _light(self, panel: LightPanel) -> Any:
        t = self._mi.ScalarTransform4f
        up = [0.0, 1.0, 0.0] if abs(panel.centre[0] - panel.look_at[0]) > 1e-3 else [1.0, 0.0, 0.0]
        place = t().look_at(list(map(float, panel.centre)), list(map(float, panel.look_at)), up)
        return {
            "type": "rectangle",
            "to_world": place @ t().scale([panel.width / 2, panel.height / 2, 1.0]),
            "emitter": {"type": "area", "radiance": {"type": "rgb", "value": list(map(float, panel.radiance))}},
        }

    def _surface(self, surface: Surface) -> dict[str, Any]:
        """The Mitsuba plugins of a surface by the name they have in a shape."""
        if surface.kind == "glass":
            return {"bsdf": {"type": "dielectric", "int_ior": 1.5}}
        if surface.kind == "mirror":
            return {"bsdf": {"type": "twosided", "bsdf": {"type": "conductor", "material": "none"}}}
        colour = self._colour(surface)
        if surface.kind == "glowing":
            radiance = [1.6 * float(c) for c in _linear(np.array(surface.rgb))]
            return {
                "bsdf": {"type": "diffuse", "reflectance": colour},
                "emitter": {"type": "area", "radiance": {"type": "rgb", "value": radiance}},
            }
        if surface.kind == "matte":
            return {"bsdf": {"type": "twosided", "bsdf": {"type": "diffuse", "reflectance": colour}}}
        metal = surface.kind in ("metal", "brushed metal")
        roughness = {"metal": 0.18, "brushed metal": 0.38}.get(surface.kind, surface.roughness)
        principled = {"type": "principled", "base_color": colour, "roughness": max(roughness, 0.08), "specular": 0.5}
        return {"bsdf": {"type": "twosided", "bsdf": principled | ({"metallic": 1.0} if metal else {})}}

    def _colour(self, surface: Surface) -> dict[str, Any]:
        if surface.texture is None:
            return {"type": "rgb", "value": [float(c) for c in _linear(np.array(surface.rgb))]}
        picture = np.array(surface.texture[..., :3], dtype=np.uint8)  # a copy: Mitsuba refuses read-only arrays
        return {"type": "bitmap", "bitmap": self._mi.Bitmap(picture), "wrap_mode": "repeat"}


def _shapes_of(scene: TableScene) -> dict[str, _Shape]:
    groups = [(TABLE_ID, scene.room.table), (ROOM_ID, scene.room.surroundings)]
    groups += [(FIRST_THING_ID + k, thing.parts) for k, thing in enumerate(scene.things)]
    return {
        f"shape_{number}_{k}": _Shape(
            number, k + 1 if number >= FIRST_THING_ID else 0, _corners(part.mesh), part.surface
        )
        for number, parts in groups
        for k, part in enumerate(parts)
    }


def _sensor(mi: ModuleType, camera: Camera) -> Any:
    # Mitsuba's camera looks along +z with x to the left and y up.
    to_world = camera.world_from_camera @ np.diag([-1.0, -1.0, 1.0, 1.0])
    return mi.load_dict(
        {
            "type": "perspective",
            "fov": float(np.degrees(2 * np.arctan(camera.width_px / 2 / camera.fx_px))),
            "fov_axis": "x",
            "near_clip": 0.01,
            "far_clip": 100.0,
            "to_world": mi.ScalarTransform4f(to_world.tolist()),
            "film": {
                "type": "hdrfilm",
                "width": camera.width_px,
                "height": camera.height_px,
                "rfilter": {"type": "box"},
                "pixel_format": "rgb",
            },
            "sampler": {"type": "independent"},
        }
    )


def _shape(
    mi: ModuleType,
    name: str,
    positions: np.ndarray,
    normals: np.ndarray | None,
    uv: np.ndarray,
    plugins: dict[str, Any],
) -> Any:
    properties = mi.Properties()
    for key, description in plugins.items():
        properties[key] = mi.load_dict(description)
    mesh = mi.Mesh(
        name,
        vertex_count=len(positions),
        face_count=len(positions) // 3,
        has_vertex_normals=normals is not None,
        has_vertex_texcoords=True,
        props=properties,
    )
    buffers = mi.traverse(mesh)
    buffers["vertex_positions"] = np.ascontiguousarray(positions, np.float32).ravel()
    buffers["faces"] = np.arange(len(positions), dtype=np.uint32)
    buffers["vertex_texcoords"] = np.ascontiguousarray(uv, np.float32).ravel()
    if normals is not None:
        buffers["vertex_normals"] = np.ascontiguousarray(normals, np.float32).ravel()
    buffers.update()
    return mesh


def _corners(mesh: Mesh) -> _Corners:
    """Positions (3F, 3), normals (3F, 3) and uv (3F, 2) of the faces' corners; no normals if the mesh is not smooth.

    A corner's normal is the mean over the faces that meet there without a crease, weighted by their areas.
    """
    positions = mesh.vertices[mesh.faces].astype(np.float64)
    across = np.cross(positions[:, 1] - positions[:, 0], positions[:, 2] - positions[:, 0])
    area = np.linalg.norm(across, axis=1)
    kept = area > 1e-14
    positions, across, area = positions[kept], across[kept], area[kept]
    uv = mesh.uv[mesh.faces[kept]].reshape(-1, 2) * [1, -1] + [0, 1]  # Mitsuba counts v from the top
    if not mesh.smooth:
        return positions.reshape(-1, 3), None, uv
    flat = across / area[:, None]
    _, place = np.unique(np.round(positions.reshape(-1, 3), 6), axis=0, return_inverse=True)
    corners = np.arange(len(place))
    incidence = sparse.csr_matrix((np.ones(len(place)), (place.ravel(), corners)))
    pairs = (incidence.T @ incidence).tocoo()
    one, other = pairs.row, pairs.col // 3
    together = np.einsum("ij,ij->i", flat[one // 3], flat[other]) > np.cos(np.radians(_CREASE_DEGREES))
    weights = sparse.csr_matrix((area[other[together]], (one[together], other[together])), (len(place), len(flat)))
    normals = weights @ flat
    return positions.reshape(-1, 3), normals / np.linalg.norm(normals, axis=1, keepdims=True).clip(1e-12), uv


def _linear(srgb: np.ndarray) -> np.ndarray:
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def _display(linear: np.ndarray) -> np.ndarray:
    """sRGB uint8 of linear colour; what is brighter than white is rolled off softly instead of cut."""
    soft = np.where(linear > 0.8, 0.8 + 0.2 * (1 - np.exp(-(linear - 0.8) / 0.2)), linear).clip(0, 1)
    srgb = np.where(soft <= 0.0031308, soft * 12.92, 1.055 * soft ** (1 / 2.4) - 0.055)
    return np.rint(srgb * 255).astype(np.uint8)
