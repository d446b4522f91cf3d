"""Scenes small enough to know by heart: a ball on a table in an empty room, and its pictures by closed form."""

from collections.abc import Sequence

import numpy as np

from langfield.core.cameras import Camera
from langfield_synthetic.meshes import Mesh, ellipsoid, rounded_box
from langfield_synthetic.rendering import FIRST_THING_ID, TABLE_ID, Rendering
from langfield_synthetic.rooms import LightPanel, Room
from langfield_synthetic.scenes import TableScene, Thing
from langfield_synthetic.things import Kind, Look, Part, Surface

RADIUS = 0.1
CENTRE = np.array([0.0, 0.0, RADIUS])
HALF_TABLE = 0.8
RED, WHITE = (0.80, 0.05, 0.05), (0.95, 0.95, 0.95)
WORDS = {"noun": ("table",), "shape": (), "colour": ("white",), "material": (), "pattern": ()}


def thing(mesh: Mesh, surface: Surface, kind: Kind | None = None, look: Look | None = None) -> Thing:
    """As it lies: the mesh is not moved."""
    kind = kind or Kind("ball", lambda _, look: [], colours=("red", "blue"), hypernyms=("toy",))
    low, high = mesh.bounds
    middle = (float(low[0] + high[0]) / 2, float(low[1] + high[1]) / 2, float(low[2] + high[2]) / 2)
    radius = float(np.hypot(*(high - low)[:2])) / 2
    part = Part(mesh, surface)
    return Thing(kind, look or Look("red", "", RED), (part,), middle, radius, float(high[2] - low[2]))


def room(panels: Sequence[LightPanel] = (), ambient: float = 1.0) -> Room:
    top = Part(rounded_box(2 * HALF_TABLE, 2 * HALF_TABLE, 0.04).moved(z=-0.04), Surface(WHITE))
    return Room([top], [], WORDS, HALF_TABLE, list(panels), (ambient, ambient, ambient))


def scene(*things: Thing, panels: Sequence[LightPanel] = (), ambient: float = 1.0) -> TableScene:
    return TableScene(3, things, room(panels, ambient))


def red_ball() -> Thing:
    return thing(ellipsoid(RADIUS, segments=96).moved(z=RADIUS), Surface(RED))


def rays(camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """The eye (3,) and directions (H, W, 3) through the pixels' centres, of length 1 along the camera's z."""
    x = (np.arange(camera.width_px) + 0.5 - camera.cx_px) / camera.fx_px
    y = (np.arange(camera.height_px) + 0.5 - camera.cy_px) / camera.fy_px
    local = np.stack([*np.meshgrid(x, y), np.ones((camera.height_px, camera.width_px))], -1)
    return camera.world_from_camera[:3, 3], local @ camera.world_from_camera[:3, :3].T


def closed_form(camera: Camera) -> Rendering:
    """What a camera above the table sees of the red ball on the white table."""
    eye, ways = rays(camera)
    with np.errstate(divide="ignore"):
        depth = np.where(ways[..., 2] < 0, -eye[2] / ways[..., 2], 0.0)
    on_table = (depth > 0) & (np.abs(eye + depth[..., None] * ways)[..., :2].max(axis=-1) < HALF_TABLE)
    ids = np.where(on_table, TABLE_ID, 0)
    a, b, c = (ways**2).sum(-1), ways @ (eye - CENTRE), ((eye - CENTRE) ** 2).sum() - RADIUS**2
    within = b**2 - a * c
    on_ball = within > 0
    ids[on_ball] = FIRST_THING_ID
    ball = (-b - np.sqrt(within.clip(0))) / a
    depth = np.where(on_ball, ball, np.where(on_table, depth, 0.0))
    colours = np.array([(0, 0, 0), (240, 240, 240), (200, 20, 20)], dtype=np.uint8)
    rgb = colours[np.where(on_ball, 2, np.where(on_table, 1, 0))]
    return Rendering(rgb=rgb, ids=ids.astype(np.uint8), parts=on_ball.astype(np.uint8), depth=depth.astype(np.float32))
