"""Lists of names for people: as short as a line has room for."""

from collections.abc import Sequence


def shortened(names: Sequence[str], shown: int = 2) -> str:
    """ "a.jpg", "a.jpg and b.jpg", or "a.jpg, b.jpg and 3 more"; of at least one name."""
    if len(names) > shown:
        return f"{', '.join(names[:shown])} and {len(names) - shown} more"
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
