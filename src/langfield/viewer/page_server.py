"""What serves pages to browsers: the front, viser behind it, and for each browser the page that is shown now."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import viser

from langfield.viewer.access import Access
from langfield.viewer.front import Front
from langfield.viewer.panel_parts import small
from langfield.viewer.viser_server import HiddenViser, page, show_behind

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


class Page(Protocol):
    """One browser's page, with a thread of its own."""

    def start(self) -> None:
        """Build it, and keep it up to date until `close`."""
        ...

    def close(self) -> None:
        """The browser has left, or gets another page: what it built is taken away soon."""
        ...

    def join(self, timeout: float) -> None:
        """Wait until nothing more is drawn."""
        ...

    def is_alive(self) -> bool:
        """Whether something is still drawn."""
        ...


# Makes a browser's page; the flag says whether the browser had another one before, so that its camera is to stay.
MakePage = Callable[[viser.ClientHandle, bool], Page]


class PageServer:
    """Serves pages to browsers until it is stopped; until the first are shown, they say that it starts.

    Importing this takes no torch: people have the link, and see a preview, before that is loaded.

    Args:
        options: how it is reached.
        preview: a JPEG for browsers that wait for the rest.
    """

    def __init__(self, options: ViewerOptions, preview: bytes | None = None) -> None:
        self._make: MakePage | None = None
        self._preview = preview
        self._waiting: viser.GuiHtmlHandle | None = None
        self._stop_work: Callable[[float], None] = lambda timeout: None
        self._pages: dict[int, tuple[viser.ClientHandle, Page]] = {}
        self._leaving: list[Page] = []  # whose last picture is still drawn
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

    def show(
        self,
        make: MakePage,
        stop_work: Callable[[float], None] = lambda timeout: None,
        *,
        camera_seconds: float = 0.0,
    ) -> None:
        """Show other pages from now on, in browsers that are here too.

        Args:
            make: makes them.
            stop_work: called by `stop`, with seconds: ends what pages wait for.
            camera_seconds: they are told where their camera is only so often.
        """
        self._front.camera_seconds = camera_seconds
        with self._lock:
            self._make, self._stop_work = make, stop_work
            before, self._pages = self._pages, {}
            waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.remove()
        for _, old in before.values():
            old.close()
        for client, old in before.values():
            old.join(_LAST_WORK_SECONDS)
            self._open(client, stays=True)
        for client in self._viser.server.get_clients().values():  # who came before anything was shown
            self._open(client, stays=False)

    def start(self) -> str:
        """Listen; returns the link. UsageError if the port is taken."""
        if self._make is None:
            self._waiting = self._viser.server.gui.add_html(small("Starting…"))
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
            pages, self._pages = [*(one for _, one in self._pages.values()), *self._leaving], {}
        for one in pages:
            one.close()
        self._stop_work(_LAST_WORK_SECONDS)
        for one in pages:
            one.join(_LAST_WORK_SECONDS)
        self._viser.stop()

    def _connected(self, client: viser.ClientHandle) -> None:
        if self._preview is not None:  # to each browser: what follows comes after it in the same queue
            show_behind(client.scene, self._preview)
        self._open(client, stays=False)

    def _open(self, client: viser.ClientHandle, *, stays: bool) -> None:
        with self._lock:
            here = client.client_id in self._viser.server.get_clients()
            if self._make is None or client.client_id in self._pages or not here:
                return
            opened = self._make(client, stays)
            self._pages[client.client_id] = client, opened
        opened.start()

    def _left(self, client: viser.ClientHandle) -> None:
        with self._lock:
            _, page = self._pages.pop(client.client_id, (None, None))
            self._leaving = [one for one in self._leaving if one.is_alive()]
            if page is not None:
                self._leaving.append(page)
        if page is not None:
            page.close()
