"""The viewer of runs: what serves pages, and the page of each browser."""

from collections.abc import Sequence

from langfield.viewer.client_page import ClientPage
from langfield.viewer.live_frames import SECONDS_BETWEEN
from langfield.viewer.live_page import LivePage
from langfield.viewer.live_training import LiveTraining
from langfield.viewer.page_server import PageServer, ViewerOptions
from langfield.viewer.runs import Runs
from langfield.viewer.saving import ANSWERS, Save

__all__ = ["TrainingViewer", "Viewer", "ViewerOptions", "show_runs"]


class Viewer(PageServer):
    """Serves runs to browsers until it is stopped.

    Args:
        runs: that are shown.
        options: how it is reached.
        saves: what browsers may save of phrases, beside the answers.
    """

    def __init__(self, runs: Runs, options: ViewerOptions, saves: Sequence[Save] = ()) -> None:
        super().__init__(options)
        show_runs(self, runs, saves)


class TrainingViewer(PageServer):
    """Serves a training to browsers, and then its run, until it is stopped.

    Args:
        live: the training.
        options: how it is reached.
    """

    def __init__(self, live: LiveTraining, options: ViewerOptions) -> None:
        super().__init__(options)
        self.show(lambda client, stays: LivePage(client, live), camera_seconds=SECONDS_BETWEEN)

    def show_runs(self, runs: Runs, saves: Sequence[Save] = ()) -> None:
        """The training is over: show runs instead, from where browsers look. Args: as for `Viewer`."""
        show_runs(self, runs, saves)


def show_runs(server: PageServer, runs: Runs, saves: Sequence[Save] = ()) -> None:
    """Show runs on a server's pages from now on. Args: as for `Viewer`."""
    all_saves = (ANSWERS, *saves)
    server.show(lambda client, stays: ClientPage(client, runs, all_saves, keep_camera=stays), runs.stop)
