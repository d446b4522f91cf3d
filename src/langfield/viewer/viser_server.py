"""A viser server that only this process' front can reach: on a unix socket in a folder of its own.

viser 1.1 listens on a TCP port, which every user of the machine can open, and has no hook to change that. So the
function of `websockets` that opens the port is exchanged for the one that opens a socket while the server starts.
"""

import contextlib
import io
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import viser
import websockets.asyncio.server

from langfield.core.errors import RunError

_PAGE = Path(viser.__file__).parent / "client" / "build" / "index.html"


class HiddenViser:
    """viser on a unix socket.

    Attributes:
        server: viser's.
        socket: where it listens; its folder has mode 700.
    """

    def __init__(self) -> None:
        # A browser may leave at any moment; what is sent after it is of no interest.
        warnings.filterwarnings("ignore", message="Queued a .* on a closed connection")
        self._folder = Path(tempfile.mkdtemp(prefix="langfield-view-"))
        self.socket = self._folder / "viser"
        try:
            with _listening_on(self.socket), contextlib.redirect_stdout(io.StringIO()):  # viser prints its address
                self.server = viser.ViserServer(host="127.0.0.1", port=0, label="langfield", verbose=False)
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise
        if not self.socket.is_socket():
            self.stop()
            raise RunError("this version of viser cannot be kept off the network: pip install 'viser>=1.1,<1.2'")

    def stop(self) -> None:
        """Stop it, and remove the socket."""
        with contextlib.redirect_stdout(io.StringIO()):
            self.server.stop()
        shutil.rmtree(self._folder, ignore_errors=True)


def page() -> str:
    """viser's page: one file with everything in it."""
    return _PAGE.read_text(encoding="utf-8")


@contextlib.contextmanager
def _listening_on(socket: Path) -> Iterator[None]:
    original: Any = websockets.asyncio.server.serve

    def serve(handler: Any, host: str, port: int, **options: Any) -> Any:
        return websockets.asyncio.server.unix_serve(handler, str(socket), **options)

    # unix_serve itself calls serve with unix=True
    def either(handler: Any, *address: Any, **options: Any) -> Any:
        return original(handler, *address, **options) if options.get("unix") else serve(handler, *address, **options)

    websockets.asyncio.server.serve = either
    try:
        yield
    finally:
        websockets.asyncio.server.serve = original
