"""What one browser asks a run: its phrases, and, once the run can answer, the names of its things."""

from collections.abc import Callable, Sequence

from langfield.query.answers import Answer
from langfield.query.objects import SceneObject
from langfield.viewer.panel import Panel
from langfield.viewer.run_scene import RunScene
from langfield.viewer.runs import Runs
from langfield.viewer.state import ViewerState


class PageAnswers:
    """One browser's, of one run. For one thread.

    Args:
        scene: the run.
        runs: all of them, which know whether it is ready.
        panel: that lists what was found.
        say: a line for the person.

    Attributes:
        answers: to the phrases that were asked last; none, where they could not be answered.
        things: of the scene, once they were offered.
    """

    def __init__(self, scene: RunScene, runs: Runs, panel: Panel, say: Callable[[str], None]) -> None:
        self._scene, self._runs, self._panel, self._say = scene, runs, panel, say
        self.answers: list[Answer] = []
        self._asked: object = None  # what `answers` answers
        self._failed = False
        self.things: Sequence[SceneObject] | None = None
        self._things_failed_after: object = None  # the question after which things were asked for in vain

    def ask_again(self) -> None:
        """Ask anew what could not be answered, though it is the same."""
        if self._failed:
            self._asked = None

    def ask(self, state: ViewerState) -> None:
        """Ask the phrases of a state, if they are not yet answered. A run that answers is ready, whatever failed
        before."""
        question = state.phrases, state.negatives
        if question == self._asked:
            return
        self._asked, self.answers, self._failed = question, [], True
        if state.phrases:
            if not self._runs.is_ready(self._scene.name):
                self._say("Getting ready to answer: this takes a while once")
            try:
                self.answers = self._scene.session.query(state.phrases, negatives=state.asked_negatives)
            finally:  # also none, where they cannot be asked
                self._panel.show_answers(self.answers)
            self._runs.has_answered(self._scene.name)
            self._panel.show(state)  # some of it is known only now
        else:
            self._panel.show_answers([])
        self._failed = False

    def offer_things(self) -> None:
        """Offer the scene's things once they are known. What fails is not tried again before the next question."""
        if self.things is not None or not self._scene.session.has_groups or not self._runs.is_ready(self._scene.name):
            return
        if self._things_failed_after is not None and self._things_failed_after == self._asked:
            return
        self._things_failed_after = self._asked
        things = self._scene.objects()
        self._panel.show_objects(things)
        self.things = things
