"""Which of a scene's labelled views a protocol asks: all of them, or those that the run was never trained on."""

from collections.abc import Sequence
from dataclasses import dataclass

from langfield.core.errors import DataError
from langfield.data.views import Scene, View
from langfield.evaluation.labels.base import Labels


@dataclass(frozen=True)
class LabelledViews:
    """Which labelled views are asked.

    Attributes:
        asked: in the scene's order.
        trained_on: names of those among them that the run was trained on.
        left_out: names of the labelled views that are not asked because the run was trained on them.
    """

    asked: tuple[View, ...]
    trained_on: tuple[str, ...]
    left_out: tuple[str, ...]


def labelled_views(
    scene: Scene, labels: Labels, trained: Sequence[str], *, held_out: bool, advice: str = ""
) -> LabelledViews:
    """The scene's labelled views; with `held_out` only those that the run was never trained on.

    Args:
        trained: names of the photos that the run was trained on, exactly as the scene's files call them.
        advice: ends the error where none is held out: what else can be done.

    Raises DataError if no view is labelled, or with `held_out` if the run was trained on all that are.
    """
    covered = [view for view in scene.views if labels.covers(view)]
    if not covered:
        raise DataError("has no view with labels: give those of this scene (--queries)", scene.root)
    trained_on = tuple(view.name for view in covered if view.name in set(trained))
    if not held_out:
        return LabelledViews(tuple(covered), trained_on, ())
    asked = tuple(view for view in covered if view.name not in trained_on)
    if not asked:
        raise DataError(
            f"has {len(covered)} labelled views and all of them were trained on, so that none is held out: "
            f"name some in test_filenames (COLMAP: leave them out of images_train) and train again{advice}",
            scene.root,
        )
    return LabelledViews(asked, (), trained_on)
