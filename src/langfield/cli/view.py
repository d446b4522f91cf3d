"""`langfield view`: runs in a browser, to be asked by typing and clicking."""

import os
import signal
import socket
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from langfield.cli.console import Console
from langfield.cli.options import Device, EncoderSpec, OutputOptions
from langfield.core.errors import LangfieldError, UsageError
from langfield.runs.existence import check_has_run

if TYPE_CHECKING:
    from langfield.data.images import Rgb
    from langfield.query.session import Session
    from langfield.viewer.page_server import ViewerOptions
    from langfield.viewer.run_photos import PhotoReader
    from langfield.viewer.runs import Runs as ViewedRuns
    from langfield.viewer.saving import Save, Saved

TOKEN_VARIABLE = "LANGFIELD_VIEW_TOKEN"
_MOST_GAUSSIANS = 2_000_000

Runs = tyro.conf.Positional[Annotated[tuple[Path, ...], tyro.conf.arg(metavar="PATH…", help_behavior_hint="")]]


@dataclass(frozen=True, kw_only=True)
class ViewCommand(OutputOptions):
    """Show runs in a browser: type what to look for, click what is there. Ctrl-C ends it."""

    paths: Runs
    """The run directories."""

    port: int = 7007
    """The port of the page, its files and its messages; 0 takes a free one."""

    host: str = "127.0.0.1"
    """The address to listen on. Others than this machine reach it only at another one; prefer the ssh line that is
    printed."""

    public_url: Annotated[str | None, tyro.conf.arg(metavar="URL", help_behavior_hint="")] = None
    """Where people reach the viewer if a reverse proxy stands before it, such as https://example.org/viewer/."""

    gaussians: int = 200_000
    """At most so many Gaussians, or points of the surface, are drawn by the browser itself."""

    encoder: EncoderSpec = None
    """The runs' image-text encoder, if it has moved, such as openclip:local-dir:FOLDER."""

    device: Device = "auto"
    """auto, cpu, cuda or cuda:N."""

    def run(self, console: Console) -> dict[str, Any]:
        """Serve until Ctrl-C; returns what `--json` prints."""
        self._check()
        options = viewer_options(self.port, self.host, self.public_url)
        from langfield.runs.preview import read_preview
        from langfield.viewer.page_server import PageServer

        server = PageServer(options, read_preview(self.paths[0]))
        link = server.start()
        end_on_sigterm()
        try:
            tell_link(console, options, link, server.port)
            from langfield.viewer.runs import Runs as ViewedRuns  # loads torch: people have the link by now
            from langfield.viewer.viewer import show_runs

            runs = ViewedRuns(self.paths, self._open, self.gaussians, photo_reader)
            show_runs(server, runs, (found_as_ply(),))
            serve_runs(console, runs)
        except KeyboardInterrupt:
            pass
        finally:
            server.stop()
        console.say("stopped")
        return {"link": link, "port": server.port, "runs": [str(path) for path in self.paths]}

    def _check(self) -> None:
        if not self.paths:
            raise UsageError("nothing to show: add a run, such as: langfield view RUN")
        if not self.host.strip():  # servers take none for all interfaces
            raise UsageError("--host must be an address of this machine, such as 127.0.0.1, and is empty")
        if not 1 <= self.gaussians <= _MOST_GAUSSIANS:
            raise UsageError(f"--gaussians must be 1 to {_MOST_GAUSSIANS}, got {self.gaussians}")
        for path in self.paths:
            check_has_run(path)

    def _open(self, path: Path) -> "Session":
        import langfield

        return langfield.open(path, device=self.device, encoder=self.encoder)


def viewer_options(port: int, host: str = "127.0.0.1", public_url: str | None = None) -> "ViewerOptions":
    """How a viewer is reached, with a token of the environment or a new one. UsageError for what cannot be, and where
    the viewer is not installed."""
    if not 0 <= port <= 65535:
        raise UsageError(f"--port must be 0 to 65535, got {port}")
    try:
        from langfield.viewer.access import checked_public_url, checked_token, new_token
        from langfield.viewer.page_server import ViewerOptions
    except ModuleNotFoundError as error:
        if error.name not in ("viser", "websockets", "msgspec"):
            raise
        raise UsageError("the viewer is not installed: pip install 'langfield[view]'") from None
    given = os.environ.get(TOKEN_VARIABLE)
    token = new_token() if given is None else checked_token(given)
    return ViewerOptions(token, host, port, None if public_url is None else checked_public_url(public_url))


def tell_link(console: Console, options: "ViewerOptions", link: str, port: int) -> None:
    """Say where a viewer is. Args: port: that it listens on."""
    from langfield.viewer.access import is_loopback

    console.say(f"open {link}")
    if not is_loopback(options.host):
        console.say(
            f"warning: {options.host} is reached by other machines, and nothing is encrypted: whoever sees the link "
            "may look; safer is --host 127.0.0.1 with the ssh line, or a proxy with https"
        )
    elif options.public_url is None:
        console.say(ssh_line(port, options.host))


def end_on_sigterm() -> None:
    """Let SIGTERM end the process as Ctrl-C does."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)


def serve_runs(console: Console, runs: "ViewedRuns") -> None:
    """Open runs, make the first one ready, and wait until Ctrl-C, which is raised as KeyboardInterrupt."""
    for name in runs.names:
        runs.scene(name)
    try:
        runs.prepare(runs.names[0])
        console.say("ready")
    except LangfieldError as error:  # of the encoder, say: pictures can be looked at without one
        console.say(f"phrases cannot be asked: {error}")
    threading.Event().wait()


def ssh_line(port: int, host: str = "127.0.0.1") -> str:
    """What to type on another machine to open the link there. Args: host: of the link, this machine only."""
    where = f"[{host}]" if ":" in host else host
    own = "" if where in ("127.0.0.1", "localhost", "[::1]") else f"{where}:"  # ssh listens on those by itself
    return f"from another machine, first: ssh -L {own}{port}:{where}:{port} {socket.gethostname()}"


def photo_reader(session: "Session") -> "PhotoReader":
    """What reads a run's photos. DataError if its scene is not where it was, or cannot be opened as it is there (photos
    outside its folder are not read, even if the run was trained with them); reading raises it for a photo that cannot
    be read."""
    from langfield.core.errors import DataError
    from langfield.data.images import decode_image
    from langfield.data.scene import open_scene

    info = session.info
    if not Path(info.scene_path).exists():
        raise DataError("is not there any more, so that its photos cannot be shown", info.scene_path)
    views = {view.name: view for view in open_scene(info.scene_path, test_every=info.test_every).views}

    def read(name: str, size: tuple[int, int]) -> "Rgb":
        view = views.get(name)
        if view is None:
            raise DataError(f"has no photo {name} any more", info.scene_path)
        return decode_image(view.image_path, size, view.white_level)

    return read


def found_as_ply() -> "Save":
    """Saving the elements of what was found, as `langfield export --format object`."""
    from langfield.viewer.saving import Save

    return Save("What was found (PLY)", "Its Gaussians, or points of its surface, as langfield export", _found_ply)


def _found_ply(session: "Session", phrases: Sequence[str], negatives: Sequence[str] | None) -> "Saved":
    from langfield.export.answers import elements_of, write_elements
    from langfield.viewer.saving import Saved

    chosen = elements_of(session, phrases, negatives=negatives, min_presence=0.5)
    if chosen is None or not chosen.any():
        raise UsageError("nothing was found that could be saved")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "found.ply"
        write_elements(session, path, chosen)
        return Saved("found.ply", path.read_bytes())
