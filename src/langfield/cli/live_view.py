"""`langfield train --view`: the training in a browser, and then its run."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from langfield.cli.console import Console
from langfield.cli.view import end_on_sigterm, found_as_ply, photo_reader, serve_runs, tell_link, viewer_options
from langfield.core.progress import Progress

if TYPE_CHECKING:
    from langfield.query.session import Session
    from langfield.viewer.live_training import LiveTraining
    from langfield.viewer.viewer import TrainingViewer

_GAUSSIANS = 200_000  # that browsers draw, as `langfield view` does if it is not told
# How long the training waits for Python while a page's thread has it: with Python's own 5 ms, twenty pictures a second
# could cost a tenth of the time, however quick they are.
_PATIENCE_SECONDS = 0.0005


@dataclass(frozen=True)
class ViewedTraining:
    """A training that browsers look at.

    Attributes:
        live: to be given to `langfield.train` as its observer.
        progress: to be given to it, too.
        viewer: that shows it.
        console: what it is told on.
    """

    live: "LiveTraining"
    progress: Progress
    viewer: "TrainingViewer"
    console: Console

    def serve(self, run: Path, device: str, encoder: str | None) -> None:
        """Show the finished run until Ctrl-C. Args: device, encoder: as for `langfield.open`."""
        import langfield
        from langfield.viewer.runs import Runs

        self.live.over()
        end_on_sigterm()
        try:
            self.console.say("the page goes on with the run; Ctrl-C ends it")

            def open_session(path: Path) -> "Session":
                return langfield.open(path, device=device, encoder=encoder)

            runs = Runs([run], open_session, _GAUSSIANS, photo_reader)
            runs.scene(runs.names[0])
            self.viewer.show_runs(runs, (found_as_ply(),))
            serve_runs(self.console, runs)
        except KeyboardInterrupt:
            self.console.say("stopped")


@contextmanager
def viewed_training(console: Console, port: int) -> Iterator[ViewedTraining]:
    """Serve the page of a training while it is made in the context.

    UsageError where the viewer is not installed, or the port is taken.
    """
    options = viewer_options(port)
    from langfield.training.event_log import broadcast
    from langfield.viewer.live_training import LiveTraining
    from langfield.viewer.viewer import TrainingViewer

    live = LiveTraining(console.say)
    viewer = TrainingViewer(live, options)
    link = viewer.start()
    patience = sys.getswitchinterval()
    sys.setswitchinterval(_PATIENCE_SECONDS)
    try:
        tell_link(console, options, link, viewer.port)
        yield ViewedTraining(live, broadcast(console.progress, live.progress), viewer, console)
    finally:
        sys.setswitchinterval(patience)
        viewer.stop()
