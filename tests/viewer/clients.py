"""Clients without a browser: they speak viser's protocol to the front."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec.msgpack
import viser
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from langfield.viewer.front import Front

PROTOCOL = f"viser-v{viser.__version__}"


def headers_of(front: Front) -> Mapping[str, str]:
    """The headers with which a browser opens its websocket."""
    port = front.access.port
    return {
        "Host": f"127.0.0.1:{port}",
        "Origin": f"http://127.0.0.1:{port}",
        "Cookie": f"{front.access.cookie_name}={front.access.token}",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Protocol": PROTOCOL,
    }


class Browser:
    """Opens websockets as a browser would that has the front's page."""

    def __init__(self, front: Front) -> None:
        self._front = front

    def connect(self, *, origin: str | None = "", cookie: str | None = "", host: str = "") -> connect:
        """A connection; "" stands for what a browser sends, None for leaving it out."""
        access = self._front.access
        address = f"127.0.0.1:{access.port}"
        headers = {}
        if cookie is not None:
            headers["Cookie"] = f"{access.cookie_name}={cookie or access.token}"
        if origin is not None:
            headers["Origin"] = origin or f"http://{address}"
        return connect(
            f"ws://{host or address}/",
            host="127.0.0.1",
            port=access.port,
            additional_headers=headers,
            subprotocols=[Subprotocol(PROTOCOL)],
            compression=None,
            max_size=None,
            proxy=None,
        )

    async def refused_with(self, **options: Any) -> int | None:
        """The status with which a connection is refused; None if it is not."""
        try:
            connection: ClientConnection = await self.connect(**options)
        except InvalidStatus as error:
            return error.response.status_code
        await connection.close()
        return None


def camera_message(**changed: Any) -> bytes:
    """What viser's page sends when its camera moves."""
    message = {
        "type": "ViewerCameraMessage",
        "wxyz": [1.0, 0.0, 0.0, 0.0],
        "position": [0.0, 0.0, -3.0],
        "fov": 0.9,
        "near": 0.01,
        "far": 1000.0,
        "image_height": 240,
        "image_width": 320,
        "look_at": [0.0, 0.0, 0.0],
        "up_direction": [0.0, -1.0, 0.0],
    }
    return msgspec.msgpack.encode(message | changed)


def listening_ports() -> set[int]:
    """The TCP ports that this process listens on."""
    own = set()
    for entry in Path("/proc/self/fd").iterdir():
        try:
            own.add(os.readlink(entry))
        except OSError:
            continue
    ports = set()
    for table in ("/proc/self/net/tcp", "/proc/self/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in own:
                ports.add(int(fields[1].rsplit(":", 1)[1], 16))
    return ports
