"""The viewer as a whole: the front, viser behind it, the runs, and a page for each browser."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import viser

from langfield.viewer.access import Access
from langfield.viewer.client_page import ClientPage
from langfield.viewer.front import Front
from langfield.viewer.runs import Runs
from langfield.viewer.saving import ANSWERS, Save
from langfield.viewer.viser_server import HiddenViser, page

_BRAND = (41, 121, 196)
_LAST_WORK_SECONDS = 60  # for what is under way when the viewer is stopped


@dataclass(frozen=True)
class ViewerOptions:
    """How the viewer is reached.

    Attributes:
        token: the secret of its link.
        host: the address that it listens on.
        port: likewise; 0 takes a free one.
        public_url: where people reach it if a reverse proxy stands before it.
    """

    token: str
    host: str = "127.0.0.1"
    port: int = 7007
    public_url: str | None = None


class Viewer:
    """Serves runs to browsers until it is stopped.

    Args:
        runs: that are shown.
        options: how it is reached.
        saves: what browsers may save of phrases, beside the answers.
    """

    def __init__(self, runs: Runs, options: ViewerOptions, saves: Sequence[Save] = ()) -> None:
        self._runs = runs
        self._saves = (ANSWERS, *saves)
        self._pages: dict[int, ClientPage] = {}
        self._leaving: list[ClientPage] = []  # whose last picture is still drawn
        self._lock = threading.Lock()
        self._viser = HiddenViser()
        access = Access(options.token, options.host, options.port, options.public_url)
        self._front = Front(access, page(), self._viser.socket)
        server = self._viser.server
        server.gui.configure_theme(
            dark_mode=True, show_logo=False, show_share_button=False, brand_color=_BRAND, control_width="medium"
        )
        server.on_client_connect(self._connected)
        server.on_client_disconnect(self._left)

    def start(self) -> str:
        """Listen; returns the link. UsageError if the port is taken."""
        try:
            self._front.start()
        except BaseException:
            self._viser.stop()
            raise
        return self._front.access.link

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return self._front.access.port

    def stop(self) -> None:
        """Let all browsers go, and free the port."""
        self._front.stop()
        with self._lock:
            pages, self._pages = [*self._pages.values(), *self._leaving], {}
        for one in pages:
            one.close()
        self._runs.stop(_LAST_WORK_SECONDS)
        for one in pages:
            one.join(_LAST_WORK_SECONDS)
        self._viser.stop()

    def _connected(self, client: viser.ClientHandle) -> None:
        opened = ClientPage(client, self._runs, self._saves)
        with self._lock:
            self._pages[client.client_id] = opened
        opened.start()

    def _left(self, client: viser.ClientHandle) -> None:
        with self._lock:
            page = self._pages.pop(client.client_id, None)
            self._leaving = [one for one in self._leaving if one.is_alive()]
            if page is not None:
                self._leaving.append(page)
        if page is not None:
            page.close()
