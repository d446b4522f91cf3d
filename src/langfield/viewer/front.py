"""The one port of the viewer: it checks every request, serves the page, and passes messages on to viser.

viser itself asks nobody for a token and listens wherever it is told to. Here it listens on a unix socket in a folder
that only this user can open (`viewer.viser_server`), and this front is the only way to it.
"""

import asyncio
import contextlib
import gzip
import http
import logging
import secrets
import threading
from collections.abc import Sequence
from pathlib import Path

from websockets.asyncio.client import unix_connect
from websockets.asyncio.connection import Connection
from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from langfield.core.errors import UsageError
from langfield.viewer.access import Access, Refusal, TokenBucket, security_headers
from langfield.viewer.camera_pace import CameraPace
from langfield.viewer.client_messages import MAX_MESSAGE_BYTES, Malformed, is_camera, passes
from langfield.viewer.page_commands import COMMAND_KEYS
from langfield.viewer.page_script import page_script

MAX_CLIENTS = 32
_REQUESTS_PER_SECOND, _REQUESTS_AT_ONCE = 20, 60
_MESSAGES_PER_SECOND, _MESSAGES_AT_ONCE = 120, 240
_PING_EVERY, _PING_TIMEOUT = 30, 120  # s; pings wait behind a scene that a slow line still loads
_TRY_LATER, _POLICY_VIOLATION = 1013, 1008
_OTHER_METHODS = frozenset({b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH"})


def page_with_scripts(html: str, nonce: str) -> bytes:
    """viser's page with our script before its own, all of them with the nonce that the page's policy asks for.

    Raises RuntimeError if the page is not built as viser 1.1's is.
    """
    start, module = "<script data-p=", 'e.type="module";'
    if html.count(start) != 1 or html.count(module) != 1 or html.count("<script") != 1:
        raise RuntimeError("this version of viser has another page than 1.1: pip install 'viser>=1.1,<1.2'")
    ours = f'<script nonce="{nonce}">{page_script(COMMAND_KEYS)}</script>'
    html = html.replace(start, f'{ours}<script nonce="{nonce}" data-p=')
    html = html.replace(module, f'{module}e.nonce="{nonce}";')
    return html.replace("<title>Viser</title>", "<title>langfield</title>").encode()


class Front:
    """A server in a thread of its own.

    Args:
        access: who is let in; port 0 takes a free one.
        page: viser's index.html.
        socket: viser's unix socket.

    Attributes:
        camera_seconds: how long cameras of one browser are apart at least; 0 passes all of them on.
    """

    camera_seconds = 0.0

    def __init__(self, access: Access, page: str, socket: Path) -> None:
        self.access = access
        self._socket = socket
        self._nonce = secrets.token_urlsafe(16)
        self._page = page_with_scripts(page, self._nonce)
        self._page_gzip = gzip.compress(self._page, mtime=0)
        self._requests = TokenBucket(_REQUESTS_PER_SECOND, _REQUESTS_AT_ONCE)
        # apart, so that who has no token cannot use up what those with one may ask for
        self._refusals = TokenBucket(_REQUESTS_PER_SECOND, _REQUESTS_AT_ONCE)
        self._clients = 0
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._started = threading.Event()
        self._error: OSError | UnicodeError | None = None
        self._thread = threading.Thread(target=self._run, name="viewer front", daemon=True)

    def start(self) -> None:
        """Listen. UsageError if the address is taken, or none of this machine's."""
        self._thread.start()
        self._started.wait()
        if self._error is not None:
            where = f"{self.access.host}:{self.access.port}"
            why = self._error.strerror if isinstance(self._error, OSError) else "this is no name of a host"
            raise UsageError(f"cannot listen on {where} ({why}): choose another --port or --host")

    def stop(self) -> None:
        """Close all connections, and wait until the port is free again."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(timeout=10)

    @property
    def clients(self) -> int:
        """How many browsers are connected."""
        return self._clients

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._started.set()
            self._loop.close()

    async def _serve(self) -> None:
        try:
            server = await serve(
                self._passed_on,
                self.access.host,
                self.access.port,
                process_request=self._answer,
                select_subprotocol=lambda _, offered: _viser_protocol(offered),
                server_header=None,
                compression=None,  # viser's messages are compressed already
                max_size=MAX_MESSAGE_BYTES,
                max_queue=16,
                open_timeout=10,
                close_timeout=2,
                ping_interval=_PING_EVERY,
                ping_timeout=_PING_TIMEOUT,
                logger=_quiet_logger(),
                create_connection=_BrowserConnection,
            )
        except (OSError, UnicodeError) as error:  # UnicodeError: a name such as a..b
            self._error = error
            return
        port = next(iter(server.sockets)).getsockname()[1]
        self.access = Access(self.access.token, self.access.host, port, self.access.public_url)
        self._started.set()
        async with server:
            await self._stop.wait()

    # -- requests ------------------------------------------------------------------------------------------------

    def _answer(self, connection: ServerConnection, request: Request) -> Response | None:
        """The page or a refusal; None lets a websocket be opened."""
        websocket = any(value.lower() == "websocket" for value in request.headers.get_all("Upgrade"))
        refusal = self.access.refusal(request.path, request.headers, websocket=websocket)
        if not (self._requests if refusal is None else self._refusals).take():
            return _refused(Refusal(http.HTTPStatus.TOO_MANY_REQUESTS, "Too many requests: wait a second."))
        if refusal is not None:
            return _refused(refusal)
        if websocket:
            if self._clients >= MAX_CLIENTS:
                return _refused(Refusal(http.HTTPStatus.SERVICE_UNAVAILABLE, f"{MAX_CLIENTS} browsers are connected."))
            return None
        if not request.path.partition("?")[0].endswith("/"):  # one page, under whatever path a proxy puts it
            return _refused(Refusal(http.HTTPStatus.NOT_FOUND, "There is nothing here."))
        return self._page_for(request)

    def _page_for(self, request: Request) -> Response:
        zipped = any("gzip" in value for value in request.headers.get_all("Accept-Encoding"))
        body = self._page_gzip if zipped else self._page
        headers = Headers(security_headers(self._nonce, request.headers["Host"]))
        headers["Content-Type"] = "text/html; charset=utf-8"
        headers["Content-Length"] = str(len(body))
        headers["Connection"] = "close"
        if zipped:
            headers["Content-Encoding"] = "gzip"
        if self.access.has_token_in_link(request.path):
            headers["Set-Cookie"] = self.access.cookie()
        return Response(http.HTTPStatus.OK, "OK", headers, body)

    # -- websockets ----------------------------------------------------------------------------------------------

    async def _passed_on(self, browser: ServerConnection) -> None:
        """Pass messages between a browser and viser until one of them leaves."""
        protocol = browser.subprotocol
        if protocol is None:
            await browser.close(_POLICY_VIOLATION, "not a page of this viewer")
            return
        if self._clients >= MAX_CLIENTS:  # several may have been let in at once
            await browser.close(_TRY_LATER, "too many browsers")
            return
        self._clients += 1
        try:
            viser = await unix_connect(
                str(self._socket),
                uri="ws://viser/",
                subprotocols=[protocol],
                compression=None,
                max_size=None,
                ping_interval=None,
            )
            async with viser:
                both = [
                    asyncio.create_task(_upwards(browser, viser, self._pace(viser))),
                    asyncio.create_task(_copy(viser, browser)),
                ]
                done, pending = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
                for task in pending:
                    task.cancel()
                await asyncio.gather(*pending, return_exceptions=True)
                for task in done:
                    task.exception()
                if viser.close_code is not None and viser.close_code >= 1002:
                    await browser.close(viser.close_code, viser.close_reason or "")
        except (OSError, InvalidHandshake, ConnectionClosed):
            await browser.close(_TRY_LATER, "the viewer is starting or stopping")
        finally:
            self._clients -= 1

    def _pace(self, viser: Connection) -> CameraPace:
        async def send(message: bytes) -> None:
            with contextlib.suppress(ConnectionClosed):
                await viser.send(message)

        return CameraPace(send, lambda: self.camera_seconds)


class _BrowserConnection(ServerConnection):
    """A connection that answers methods other than GET; websockets would hang up without a word."""

    _is_new = True

    def data_received(self, data: bytes) -> None:
        """Take what came in, and look at the method first."""
        is_new, self._is_new = self._is_new, False
        if is_new and data.split(b" ", 1)[0] in _OTHER_METHODS:
            self.transport.write(_only_get().serialize())
            self.transport.close()
            return
        super().data_received(data)


class _NotTheirFault(logging.Filter):
    """Leaves out what clients do every day, such as leaving before they have asked for anything."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        return not isinstance(error, InvalidHandshake | ConnectionClosed | ConnectionError)


def _quiet_logger() -> logging.Logger:
    """For errors of this program. Not for less: websockets would write down links, with their tokens."""
    logger = logging.getLogger(__name__)
    logger.setLevel(logging.WARNING)
    if not logger.filters:
        logger.addFilter(_NotTheirFault())
    return logger


async def _upwards(browser: Connection, viser: Connection, cameras: CameraPace) -> None:
    """A browser's messages, as many as may come in a second: more wait, and with them whoever sends them."""
    bucket = TokenBucket(_MESSAGES_PER_SECOND, _MESSAGES_AT_ONCE)
    with contextlib.suppress(ConnectionClosed), contextlib.closing(cameras):
        async for message in browser:
            if delay := bucket.delay():
                await asyncio.sleep(delay)
            try:
                passed = passes(message)
            except Malformed:
                await browser.close(_POLICY_VIOLATION, "not a message of this viewer's page")
                return
            if passed and isinstance(message, bytes) and is_camera(message):
                await cameras.take(message)
            elif passed:
                await cameras.flush()
                await viser.send(message)


async def _copy(source: Connection, target: Connection) -> None:
    with contextlib.suppress(ConnectionClosed):
        async for message in source:
            await target.send(message)


def _viser_protocol(offered: Sequence[Subprotocol]) -> Subprotocol | None:
    return next((protocol for protocol in offered if protocol.startswith("viser-v")), None)


def _only_get() -> Response:
    status = http.HTTPStatus.METHOD_NOT_ALLOWED
    headers = Headers({"Allow": "GET", "Content-Length": "0", "Connection": "close"})  # HEAD's answer has no body
    return Response(status, status.phrase, headers)


def _refused(refusal: Refusal) -> Response:
    body = f"{refusal.message}\n".encode()
    headers = Headers({"Content-Type": "text/plain; charset=utf-8", "Content-Length": str(len(body))})
    headers["Connection"] = "close"
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Cache-Control"] = "no-store"
    return Response(refusal.status, refusal.status.phrase, headers, body)
