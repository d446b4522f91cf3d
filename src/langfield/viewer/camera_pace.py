"""A browser's cameras, passed on only so often: each costs Python a millisecond, which a training would wait for."""

import asyncio
from collections.abc import Awaitable, Callable


class CameraPace:
    """Passes cameras on, of many in a short time only the newest one. For one event loop.

    Args:
        send: passes a message on.
        seconds_between: how long cameras are apart at least; 0 passes all of them on.
    """

    def __init__(self, send: Callable[[bytes], Awaitable[None]], seconds_between: Callable[[], float]) -> None:
        self._send = send
        self._seconds_between = seconds_between
        self._held: bytes | None = None
        self._sent_at = -1e9
        self._later: asyncio.Task[None] | None = None

    async def take(self, camera: bytes) -> None:
        """A camera came: it is passed on now or soon, unless another one comes before."""
        wait = self._sent_at + self._seconds_between() - asyncio.get_running_loop().time()
        self._held = camera
        if wait <= 0:
            await self.flush()
        elif self._later is None or self._later.done():
            self._later = asyncio.create_task(self._flush_after(wait))

    async def flush(self) -> None:
        """Pass on what is held: before anything else is, for a click is meant where the camera was."""
        held, self._held = self._held, None
        if held is not None:
            self._sent_at = asyncio.get_running_loop().time()
            await self._send(held)

    def close(self) -> None:
        """Pass nothing more on."""
        if self._later is not None:
            self._later.cancel()

    async def _flush_after(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self.flush()
