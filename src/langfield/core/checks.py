"""What configs check of their own fields when they are made, so that no setting fails hours later, or quietly does
something else than it says. Every check raises ValueError: the field, what is allowed, and what was given."""

import math
from typing import Any


def check_that(config: Any, name: str, holds: bool, allowed: str) -> None:
    """Raise ValueError unless what must hold of the field `name` does."""
    if not holds:
        raise ValueError(f"{type(config).__name__}.{name} must be {allowed}, got {getattr(config, name)!r}")


def check_counts(config: Any, *names: str, least: int = 1, most: int | None = None) -> None:
    """Each field is a whole number from `least` to `most`, or from `least` on."""
    allowed = f"a whole number of at least {least}" if most is None else f"a whole number from {least} to {most}"
    for name in names:
        value = getattr(config, name)
        whole = isinstance(value, int) and not isinstance(value, bool)
        check_that(config, name, whole and value >= least and (most is None or value <= most), allowed)


def check_numbers(
    config: Any, *names: str, above: float | None = None, least: float | None = None, most: float | None = None
) -> None:
    """Each field is a finite number within the bounds; "above" is without its bound."""
    lower = [f"above {above:g}"] if above is not None else [f"at least {least:g}"] if least is not None else []
    allowed = " ".join(["a finite number", " and ".join(lower + ([f"at most {most:g}"] if most is not None else []))])
    for name in names:
        value = getattr(config, name)
        number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        within = number and (above is None or value > above) and (least is None or value >= least)
        check_that(config, name, within and (most is None or value <= most), allowed.strip())
