"""Which photos' views a command is about."""

import re
from collections.abc import Sequence
from pathlib import Path

from langfield.core.choices import hint
from langfield.core.errors import UsageError
from langfield.query.session import Session
from langfield.runs.info import RunView

_SPLITS = ("test", "train", "all")


def chosen_views(session: Session, wanted: tuple[str, ...]) -> list[RunView]:
    """The views of a run that are named by split ("train", "test"), "all", or name (with or without folder and ending).

    Those of a split come in the order of their names, which is mostly that in which photos were taken.
    """
    chosen: dict[str, RunView] = {}
    for word in wanted:
        if word in _SPLITS:
            found = sorted(
                (v for v in session.views if word in ("all", v.split)), key=lambda view: _natural_order(view.name)
            )
        else:
            found = [v for v in session.views if word in (v.name, Path(v.name).name, Path(v.name).stem)]
        if not found:
            known = [view.name for view in session.views]
            some = known[0] if known else "none"
            near = hint(word, [*_SPLITS, *known, *(Path(name).stem for name in known)])
            raise UsageError(
                f"the run has no view {word!r}: {near}use test, train, all, or a photo's name such as {some}"
            )
        chosen |= {view.name: view for view in found}
    return list(chosen.values())


def view_label(session: Session, names: Sequence[str]) -> str:
    """The first of some views' names as short as `chosen_views` understands it: without folder and ending, if no other
    view is called so; "" for none."""
    if not names:
        return ""
    short = Path(names[0]).stem
    return short if sum(Path(view.name).stem == short for view in session.views) == 1 else names[0]


def _natural_order(name: str) -> list[tuple[int, str]]:
    """A sorting key by which photo_9 comes before photo_10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]
