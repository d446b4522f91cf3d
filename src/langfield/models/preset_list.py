"""The presets as people see them listed. Importing this takes no torch; `presets` has all their settings."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ListedPreset:
    """A preset in a list.

    Attributes:
        model: name of its model.
        steps: training steps.
        summary: one line for people.
    """

    model: str
    steps: int
    summary: str


LISTED: dict[str, ListedPreset] = {
    "lerf": ListedPreset("lerf", 30_000, "LERF as published, for one GPU"),
    "lerf-lite": ListedPreset("lerf", 30_000, "LERF with half the language field, for a smaller GPU"),
    "lerf-big": ListedPreset("lerf", 30_000, "LERF with the larger encoder and field"),
    "nano": ListedPreset("lerf", 1_500, "minutes on two CPU cores: small grids, fewer crops"),
    "lift": ListedPreset("voxel_lift", 700, "a minute or two on two CPU cores: language averaged in closed form"),
    "splat": ListedPreset("splat", 2_000, "Gaussians with language in closed form, for one GPU (extra gpu)"),
    "splat-fast": ListedPreset("splat", 1_200, "splat with fewer Gaussians and steps: half the time, 0.7 dB less"),
    "splat-quality": ListedPreset(
        "splat", 10_000, "splat with more Gaussians and steps: six times the time, 0.7 dB more"
    ),
    "splat-classic": ListedPreset(
        "splat", 30_000, "splat with adaptive density control, as published first (3DGS), to compare with"
    ),
}
