"""Every kind of thing: importing this registers them all."""

from langfield_synthetic.kinds import (  # noqa: F401
    baked,
    bottles,
    boxes,
    clocks,
    clothes,
    cookware,
    crockery,
    dairy,
    electronics,
    figures,
    frames,
    fruit,
    games,
    glassware,
    instruments,
    lights,
    melon,
    ornaments,
    plants,
    ships,
    stationery,
    tools,
    utensils,
    vegetables,
    vehicles,
)
from langfield_synthetic.things import KINDS

__all__ = ["KINDS"]
