"""Gaussians as files exchange them: plain arrays, with the names that their PLY files give them (Kerbl et al. 2023)."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32, Float64, Int64, UInt8

MEAN_NAMES = ("x", "y", "z")
NORMAL_NAMES = ("nx", "ny", "nz")
DC_NAMES = ("f_dc_0", "f_dc_1", "f_dc_2")
OPACITY_NAME = "opacity"
SCALE_NAMES = ("scale_0", "scale_1", "scale_2")
OFFSET_COMMENT = "comment offset "  # begins a line of a PLY header: what is to be added to the positions, x y z
ROTATION_NAMES = ("rot_0", "rot_1", "rot_2", "rot_3")
# How many coefficients there are beside those of degree 0, of all three colours, for harmonics up to degree 0 to 3.
REST_COUNTS = (0, 9, 24, 45)
# The harmonic of degree 0, which is constant: a colour is ½ and this times its coefficient.
SH_C0 = math.sqrt(1 / (4 * math.pi))
_FAINT = 0.05  # opacity
_MOST_GROWN = 3.0


@dataclass(frozen=True, eq=False)
class Splats:
    """N Gaussians with colours of spherical harmonics of degree d, K = (d + 1)².

    Attributes:
        means: centres, in a frame that depends on the holder; in files it is the world frame.
        rotations: quaternions wxyz that turn a Gaussian's own axes into the frame; any length but 0.
        log_scales: natural logarithms of the standard deviations along their own axes.
        opacity_logits: opacities before the logistic function.
        harmonics: coefficients of each colour's real spherical harmonics, degree after degree, by m from −l to l, with
            the Condon–Shortley sign (−1)^m. A colour is ½ and their sum for the direction from the eye to the mean.
    """

    means: Float64[np.ndarray, "n 3"]
    rotations: Float32[np.ndarray, "n 4"]
    log_scales: Float32[np.ndarray, "n 3"]
    opacity_logits: Float32[np.ndarray, " n"]
    harmonics: Float32[np.ndarray, "n k 3"]

    def __len__(self) -> int:
        return len(self.means)

    @property
    def degree(self) -> int:
        """Of the harmonics."""
        return REST_COUNTS.index(3 * (self.harmonics.shape[1] - 1))

    def flat_rgb(self) -> UInt8[np.ndarray, "n 3"]:
        """Their colours without what changes with the direction, 8-bit sRGB."""
        rgb = 0.5 + SH_C0 * self.harmonics[:, 0]
        return np.round(255 * np.clip(rgb, 0, 1)).astype(np.uint8)

    def chosen(self, selection: Bool[np.ndarray, " n"]) -> "Splats":
        """Those where `selection` is true, in their order."""
        return Splats(
            self.means[selection],
            self.rotations[selection],
            self.log_scales[selection],
            self.opacity_logits[selection],
            self.harmonics[selection],
        )


def chosen_to_draw(opacities: Float[np.ndarray, " n"], most: int) -> tuple[Int64[np.ndarray, " m"], float]:
    """Which of N Gaussians are drawn where at most so many can be, in their order, and how many times larger they are
    drawn, so that surfaces stay whole.

    Of more than `most`, the faintest are left out, and then evenly so many.
    """
    numbers = np.arange(len(opacities))
    if len(numbers) <= most:
        return numbers, 1.0
    seen = numbers[opacities >= _FAINT]
    numbers = seen if len(seen) > most else np.sort(np.argsort(-opacities, kind="stable")[:most])
    chosen = np.random.default_rng(0).permutation(len(numbers))[:most]
    return np.sort(numbers[chosen]), min(_MOST_GROWN, (len(numbers) / len(chosen)) ** 0.5)


def half_turned(splats: Splats) -> Splats:
    """The same Gaussians turned by half a turn about the x axis: y and z change their signs.

    It takes a frame whose axes are right, up, back into one of right, down, forward, and back again.
    """
    axes = np.array([1, -1, -1])
    quaternion_signs = np.array([1, 1, -1, -1], dtype=np.float32)
    orders = [(degree, m) for degree in range(splats.degree + 1) for m in range(-degree, degree + 1)]
    signs = np.array([(-1) ** (degree - abs(m) + (m < 0)) for degree, m in orders], dtype=np.float32)
    return Splats(
        means=splats.means * axes,
        rotations=splats.rotations * quaternion_signs,
        log_scales=splats.log_scales,
        opacity_logits=splats.opacity_logits,
        harmonics=splats.harmonics * signs[:, None],
    )


def rest_names(count: int) -> tuple[str, ...]:
    """Names of so many coefficients of degree 1 and higher: all of red, then of green, then of blue."""
    return tuple(f"f_rest_{i}" for i in range(count))
