"""The room around the things: a table whose top is at z = 0, what stands around it, and the light."""

from dataclasses import dataclass

import numpy as np

from langfield_synthetic.furnishing import make_surroundings
from langfield_synthetic.tables import make_table
from langfield_synthetic.things import RGB, Part

Point = tuple[float, float, float]
_AMBIENT_SHARE = 0.65  # of the ambient light reaches the table, the walls' reflection counted


@dataclass(frozen=True)
class LightPanel:
    """A rectangle that shines from `centre` towards `look_at`; width and height in metres, radiance linear rgb."""

    centre: Point
    look_at: Point
    width: float
    height: float
    radiance: RGB


@dataclass(frozen=True, eq=False)
class Room:
    """table_words: what can be said of the table, by "noun", "shape", "colour", "material" and "pattern"; each may be
    empty. table_radius: of the largest circle around the origin on the table's top. ambient: linear rgb radiance."""

    table: list[Part]
    surroundings: list[Part]
    table_words: dict[str, tuple[str, ...]]
    table_radius: float
    light_panels: list[LightPanel]
    ambient: RGB

    @property
    def white(self) -> float:
        """About the luminance that a white sheet in the middle of the table has: what a photo is exposed by."""
        from_panels = sum(_luminance(panel.radiance) * _seen(panel) for panel in self.light_panels)
        return from_panels / np.pi + _AMBIENT_SHARE * _luminance(self.ambient)


def make_room(rng: np.random.Generator) -> Room:
    """A room of this seed."""
    table, words, radius = make_table(rng)
    return Room(table, make_surroundings(rng), words, radius, *_light(rng))


def _light(rng: np.random.Generator) -> tuple[list[LightPanel], RGB]:
    """Soft panels above and at the sides of the table, and the light that comes from everywhere."""
    tone = np.array(((1.0, 0.86, 0.70), (1.0, 0.95, 0.88), (0.88, 0.95, 1.0))[int(rng.integers(3))])
    count = int(rng.integers(1, 4))
    first = float(rng.uniform(0, 2 * np.pi))
    panels = []
    for k in range(count):
        angle = first + 2 * np.pi * k / count + float(rng.uniform(-0.4, 0.4))
        away = float(rng.uniform(0.2, 1.3))
        centre = (away * float(np.cos(angle)), away * float(np.sin(angle)), float(rng.uniform(1.8, 2.5)))
        width, height = float(rng.uniform(0.5, 1.1)), float(rng.uniform(0.5, 1.1))
        power = float(rng.uniform(4.0, 8.0)) * (1.0 if k == 0 else float(rng.uniform(0.3, 0.8)))
        shade = power / (width * height) * tone * rng.uniform(0.95, 1.05, 3)
        panels.append(LightPanel(centre, (0.0, 0.0, 0.0), width, height, _three(shade)))
    grey = float(rng.uniform(0.4, 0.9))
    return panels, _three(grey * (0.5 + 0.5 * tone))


def _seen(panel: LightPanel) -> float:
    """How large the panel is as seen from the middle of the table: its solid angle, by the cosine there."""
    centre = np.array(panel.centre)
    distance = float(np.linalg.norm(centre))
    out = np.array(panel.look_at) - centre
    facing = float(-(centre @ out) / (distance * np.linalg.norm(out)))
    return panel.width * panel.height * max(facing, 0.0) * float(centre[2]) / distance**3


def _luminance(rgb: RGB) -> float:
    return 0.2126 * rgb[0] + 0.7152 * rgb[1] + 0.0722 * rgb[2]


def _three(values: np.ndarray) -> RGB:
    return (float(values[0]), float(values[1]), float(values[2]))
