"""Changes of crops, on the device and without waits: shape in space, the subject's colours, what is behind it, light.

Recolouring is what teaches shape. The scenes are few: without it the network tells things by their exact colours
(gray pictures of scenes that it was trained on fell from 93 % right nouns to 6 %), and a colour and noun that never
occurred together are denied. A recoloured crop is captioned without colour and material (see `captions`).
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

MARGIN = 1.25
_TURN = math.radians(12)
_STRETCH, _LEAN = 0.15, 0.12
_LUMA = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class Shares:
    """Which share of all crops is changed so. `turned` ones are also stretched and leaned."""

    recoloured: float = 0.4
    gray: float = 0.08
    replaced: float = 0.15
    turned: float = 0.6


def spread(u: Tensor, amount: float) -> Tensor:
    """exp(±amount), for each crop."""
    return torch.exp((2 * u - 1) * amount)[:, None, None, None]


def warped(crops: Tensor, size_px: int, u: Tensor, share: float) -> Tensor:
    """The middle (B, C, s, s) of larger crops, some turned, stretched and seen from aside; u is (6, B).

    What is not turned is the exact middle: all sample points are pixels' centres.
    """
    does = (u[0] < share).float()
    angle = (2 * u[1] - 1) * _TURN * does
    long, lean_x, lean_y = ((2 * u[row] - 1) * most * does for row, most in ((2, 2 * _STRETCH), (3, _LEAN), (4, _LEAN)))
    wide, high = torch.exp(long / 2), torch.exp(-long / 2)
    zoom = torch.exp((2 * u[5] - 1) * 0.1 * does)
    places = (torch.arange(size_px, device=crops.device) + 0.5) * (2 / size_px) - 1
    x, y = places[None, None, :], places[None, :, None]
    cosine, sine = torch.cos(angle), torch.sin(angle)

    def rows(numbers: Tensor) -> Tensor:
        return (numbers * zoom * size_px / crops.shape[-1])[:, None, None]

    depth = 1 + lean_x[:, None, None] * x + lean_y[:, None, None] * y
    across = (rows(cosine * wide) * x - rows(sine * wide) * y) / depth
    down = (rows(sine * high) * x + rows(cosine * high) * y) / depth
    grid = torch.stack([across, down], dim=-1)
    return nn.functional.grid_sample(crops, grid, mode="bilinear", padding_mode="border", align_corners=False)


def colour_matrix(angle: Tensor, saturation: Tensor, tint: Tensor) -> Tensor:
    """(B, 3, 3) that turns hues about the gray axis, then saturates, then multiplies with tints (B, 3)."""
    gray = torch.full((3, 3), 1 / 3, device=angle.device)
    one = torch.eye(3, device=angle.device)
    cross = (one.roll(1, 0) - one.roll(1, 1)) / math.sqrt(3)
    cosine, sine = torch.cos(angle)[:, None, None], torch.sin(angle)[:, None, None]
    chroma = cosine * (one - gray) + sine * cross
    return tint[:, :, None] * (gray + saturation[:, None, None] * chroma)


def apply_matrix(matrix: Tensor, crops: Tensor) -> Tensor:
    return torch.bmm(matrix, crops.flatten(2)).view_as(crops).clamp(0, 1)


def tints(u: Tensor, amount: Tensor) -> Tensor:
    """(B, 3) colours to multiply with, from white (amount 0) to any saturated one (1); u is (B,), the hue."""
    phase = 2 * math.pi * u
    waves = torch.stack([torch.cos(phase + turn * 2 * math.pi / 3) for turn in range(3)], dim=1)
    return 1 - amount[:, None] * (0.5 - 0.5 * waves)


def recoloured(crops: Tensor, mask: Tensor, chosen: Tensor, u: Tensor) -> Tensor:
    """Chosen crops with other hues, and lighter or darker: half of them only where the mask is; u is (7, B).

    Half are multiplied with a tint too: without one, what is white or gray would stay so.
    """
    strength = u[3] * (u[4] < 0.5)
    matrix = colour_matrix(2 * math.pi * u[0], 1.8 * u[1], tints(u[2], strength))
    changed = apply_matrix(matrix, crops).clamp(min=1e-4) ** spread(u[5], 0.6)
    where = torch.maximum(mask, (u[6] < 0.5).float()[:, None, None, None]) * chosen[:, None, None, None]
    return crops + where * (changed - crops)


def plain_backgrounds(size_px: int, u: Tensor, patches: Tensor) -> Tensor:
    """(B, 3, s, s) of a colour each, some cloudy; u is (4, B), patches (B, 3, 5, 5) random numbers."""
    clouds = nn.functional.interpolate(patches - 0.5, (size_px, size_px), mode="bilinear", align_corners=False)
    return (u[:3].T[:, :, None, None] + clouds * u[3][:, None, None, None]).clamp(0, 1)


def gray(crops: Tensor, chosen: Tensor) -> Tensor:
    luma = sum(weight * crops[:, channel : channel + 1] for channel, weight in enumerate(_LUMA))
    return crops + chosen[:, None, None, None] * (luma - crops)


def relit(crops: Tensor, u: Tensor, noise: Tensor) -> Tensor:
    """Crops a little lighter or darker, of more or less contrast and colour, off-colour, noisy; u is (9, B).

    Little enough for their colour words to stay true.
    """
    matrix = colour_matrix((2 * u[0] - 1) * 0.1, spread(u[1], 0.2)[:, 0, 0, 0], 1 + (u[2:5].T - 0.5) * 0.08)
    crops = apply_matrix(matrix, crops)
    mean = crops.mean(dim=(1, 2, 3), keepdim=True)
    changed = (mean + (crops - mean) * spread(u[5], 0.25)) * spread(u[6], 0.2)
    bent = changed.clamp(1e-4, 1) ** spread(u[7], 0.15)
    return (bent + noise * (0.05 * u[8] ** 3)[:, None, None, None]).clamp(0, 1)
