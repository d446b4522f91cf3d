"""Names that a person may give, and what is said where one is mistyped."""

import difflib
from collections.abc import Iterable

from langfield.core.errors import UsageError

_SHOWN_CHARS = 60


def check_choice(what: str, name: object, known: Iterable[str]) -> None:
    """Raise UsageError unless `name` is one of the known ones.

    The message names the nearest and all of them: "unknown preset 'lrf'; did you mean 'lerf'? known are lerf, nano".
    Args: what: "preset".
    """
    known = tuple(known)
    if not isinstance(name, str) or name not in known:
        raise UsageError(f"unknown {what} {repr(name)[:_SHOWN_CHARS]}; {hint(name, known)}known are {', '.join(known)}")


def hint(name: object, known: Iterable[str]) -> str:
    """ "did you mean 'lerf'? ", by the nearest of the known names; "" where none is near. Case does not count."""
    by_lower_case = {each.lower(): each for each in known}
    near = difflib.get_close_matches(name.lower(), by_lower_case, n=1) if isinstance(name, str) else []
    return f"did you mean {by_lower_case[near[0]]!r}? " if near else ""
