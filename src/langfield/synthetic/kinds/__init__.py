"""Every kind of thing: importing this registers them all."""

from langfield.synthetic.kinds import crockery, desk, food, household, kitchen, toys
from langfield.synthetic.things import KINDS

__all__ = ["KINDS", "crockery", "desk", "food", "household", "kitchen", "toys"]

for _noun in (
    "pen",
    "tape dispenser",
    "notebook",
    "tea box",
    "tissue box",
    "grater",
    "toy brick",
    "stacking rings",
    "spinning top",
    "flashlight",
    "cutting board",
    "flower",
    "soap bottle",
    "toy plane",
    "stapler",
    "glasses",
    "calculator",
    "cactus",
):
    KINDS.pop(_noun, None)
