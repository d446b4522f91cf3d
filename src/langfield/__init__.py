"""langfield: search a 3D scene with words.

    import langfield

    langfield.train("photos/kitchen", "runs/kitchen")
    run = langfield.open("runs/kitchen")
    for answer in run.query(["wooden spoon", "something to drink from"]):
        print(answer.phrase, answer.present, answer.position)
    langfield.evaluate("runs/kitchen").to_json()

Importing the package is quick: torch is loaded when the first of these functions is used.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from langfield.api import bake, evaluate, lift, train
    from langfield.api import open_run as open

__all__ = ["bake", "evaluate", "lift", "open", "train"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from langfield import api

    return getattr(api, "open_run" if name == "open" else name)
