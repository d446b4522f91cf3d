"""A viser server that only this process' front can reach: on a unix socket in a folder of its own.

viser 1.1 listens on a TCP port, which every user of the machine can open, and has no hook to change that. So the
function of `websockets` that opens the port is exchanged while the server starts for one that listens on a socket.
"""

import asyncio
import contextlib
import io
import shutil
import socket
import tempfile
import warnings
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import viser
import viser._messages as _messages
import websockets.asyncio.server

from langfield.core.errors import RunError, UsageError

_PAGE = Path(viser.__file__).parent / "client" / "build" / "index.html"
_SHORT_FOLDER = "/tmp"


class HiddenViser:
    """viser on a unix socket.

    Attributes:
        server: viser's.
        socket: where it listens; its folder has mode 700.

    Raises UsageError if no temporary folder takes a socket, RunError if viser does not start on it.
    """

    def __init__(self) -> None:
        # A browser may leave at any moment; what is sent after it is of no interest.
        warnings.filterwarnings("ignore", message="Queued a .* on a closed connection")
        bound, self.socket = _bound_socket()
        try:
            asyncio.new_event_loop().close()  # viser makes one in a thread, and would wait for ever if it cannot
            with _listening_on(bound) as outcomes, contextlib.redirect_stdout(io.StringIO()):  # it prints its address
                self.server = viser.ViserServer(host="127.0.0.1", port=0, label="langfield", verbose=False)
        except BaseException:
            bound.close()
            shutil.rmtree(self.socket.parent, ignore_errors=True)
            raise
        if outcomes != [None]:
            self.stop()
            bound.close()
            if outcomes:
                raise RunError(f"viser does not start: {outcomes[0]}")
            raise RunError("this version of viser cannot be kept off the network: pip install 'viser>=1.1,<1.2'")

    def stop(self) -> None:
        """Stop it, and remove the socket."""
        with contextlib.redirect_stdout(io.StringIO()):
            self.server.stop()
        shutil.rmtree(self.socket.parent, ignore_errors=True)


def show_behind(scene: viser.SceneApi, jpeg: bytes | None) -> None:
    """Show a picture behind all else, as large as the page; None takes it away.

    viser's own function encodes pictures by itself, on the CPU; what it sends is a message like this one.
    """
    scene._websock_interface.queue_message(_messages.BackgroundImageMessage("jpeg", jpeg, None))


def page() -> str:
    """viser's page: one file with everything in it."""
    return _PAGE.read_text(encoding="utf-8")


def _bound_socket() -> tuple[socket.socket, Path]:
    """A socket that is bound but does not listen yet, in a new folder, and its path.

    Paths of sockets have at most about 100 bytes and not all file systems take them, so /tmp is tried after the usual
    temporary folder. UsageError if neither will do.
    """
    errors = []
    for parent in (None, _SHORT_FOLDER):
        try:
            folder = Path(tempfile.mkdtemp(prefix="langfield-view-", dir=parent))
        except OSError as error:
            errors.append(str(error))
            continue
        bound = socket.socket(socket.AF_UNIX)
        try:
            bound.bind(str(folder / "viser"))
        except OSError as error:
            errors.append(str(error))
            bound.close()
            shutil.rmtree(folder, ignore_errors=True)
        else:
            return bound, folder / "viser"
    raise UsageError(
        f"no socket can be made in a temporary folder ({'; '.join(errors)}): set TMPDIR to one with a short path"
    )


@contextlib.contextmanager
def _listening_on(bound: socket.socket) -> Iterator[list[Exception | None]]:
    """Let what starts a server of websockets listen on a socket instead.

    The list gets what came of it: None if it listens, or the error. viser itself takes every OSError for a port in
    use, tries others, and in the end never says that it did not start; so it is told that it did.
    """
    original: Any = websockets.asyncio.server.serve
    outcomes: list[Exception | None] = []

    @contextlib.asynccontextmanager
    async def serve(handler: Any, host: str, port: int, **options: Any) -> AsyncIterator[Any]:
        try:
            server = await original(handler, unix=True, path=None, sock=bound, **options)
        except Exception as error:
            outcomes.append(error)
            yield SimpleNamespace(server=SimpleNamespace(sockets=()))
            return
        outcomes.append(None)
        async with server:
            yield server

    websockets.asyncio.server.serve = serve
    try:
        yield outcomes
    finally:
        websockets.asyncio.server.serve = original
