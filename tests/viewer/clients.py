"""Clients without a browser: they speak viser's protocol to the front."""

import asyncio
import io
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import msgspec.msgpack
import numpy as np
import viser
import zstandard
from PIL import Image
from scipy.spatial.transform import Rotation
from tests.viewer.worlds import PAGE_FROM_SCENE
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from langfield.core.camera_checks import look_at_pose
from langfield.viewer.access import Access


@runtime_checkable
class HasAccess(Protocol):
    """A front, or what knows how to reach one."""

    access: Access


PROTOCOL = f"viser-v{viser.__version__}"


def headers_of(front: HasAccess) -> Mapping[str, str]:
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

    def __init__(self, front: HasAccess) -> None:
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


class Page:
    """What a browser would show: it takes viser's messages, and sends those of a person. Use as a context manager."""

    def __init__(self, front: HasAccess, stored: str | None = None) -> None:
        self._front = front
        self._changed = asyncio.Condition()
        self.stored = stored
        self.inputs: dict[str, dict[str, Any]] = {}  # by uuid
        self.commands: dict[str, dict[str, Any]] = {}  # with keys, by uuid
        self.nodes: dict[str, dict[str, Any]] = {}  # by name
        self.pictures: list[np.ndarray | None] = []  # behind the scene, all that there were
        self.position = [0.0, 0.0, 0.0]  # of the camera, in the scene's frame; what follows is in the page's
        self.look_at, self.up = [0.0, 4.0, 0.0], [0.0, 0.0, 1.0]
        self.fov = 0.9
        self.size_px = (320, 240)
        self.pictured_at = 0.0  # of the last one, by time.perf_counter
        self.files: dict[str, bytes] = {}
        self._parts: dict[str, str] = {}

    async def __aenter__(self) -> "Page":
        self._websocket = await Browser(self._front).connect()
        self._reader = asyncio.create_task(self._read())
        await self.move()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)
        await self._websocket.close()

    async def send(self, message: Mapping[str, Any]) -> None:
        await self._websocket.send(msgspec.msgpack.encode(message))

    async def move(self, **changed: Any) -> None:
        """Tell where the camera is; at a position that is given it looks along +z of the scene's frame, y down."""
        if "position" in changed:
            self.position = changed.pop("position")
            self.look_at = (PAGE_FROM_SCENE @ (np.array(self.position) + np.array([0, 0, 4]))).tolist()
            self.up = [0.0, 0.0, 1.0]
        position = PAGE_FROM_SCENE @ np.array(self.position)
        pose = look_at_pose(position, self.look_at, self.up)
        told = {
            "wxyz": np.roll(Rotation.from_matrix(pose[:3, :3]).as_quat(), 1).tolist(),
            "position": position.tolist(),
            "look_at": self.look_at,
            "up_direction": self.up,
            "fov": self.fov,
            "image_width": self.size_px[0],
            "image_height": self.size_px[1],
        }
        await self._websocket.send(camera_message(**(told | changed)))

    async def set(self, label: str, value: Any) -> None:
        """Change an input."""
        await self.send({"type": "GuiUpdateMessage", "uuid": self.uuid(label), "updates": {"value": value}})

    async def press(self, label: str) -> None:
        await self.set(label, True)

    async def ask(self, text: str) -> None:
        """Type a prompt and press Enter."""
        await self.set("Find", text)
        form = next(uuid for uuid, part in self.inputs.items() if part["type"] == "GuiFormMessage")
        await self.send({"type": "GuiFormSubmitMessage", "uuid": form})

    async def click(self, x: float, y: float) -> None:
        """Click a place of the page, in [0, 1]."""
        await self.send(
            {
                "type": "ScenePointerMessage",
                "event_type": "click",
                "ray_origin": [0.0, 0.0, 0.0],
                "ray_direction": [0.0, 0.0, 1.0],
                "screen_pos": [[x, y]],
                "modifier": None,
            }
        )

    def uuid(self, label: str) -> str:
        """Of the newest input whose label begins so; a text before a button of the same name."""
        found = [uuid for uuid, part in self.inputs.items() if (part["props"].get("label") or "").startswith(label)]
        assert found, f"no input {label} among {self.labels}"
        texts = [uuid for uuid in found if self.inputs[uuid]["type"] == "GuiTextMessage"]
        return (texts or found)[-1]

    @property
    def labels(self) -> list[str]:
        return [str(part["props"].get("label")) for part in self.inputs.values()]

    @property
    def text(self) -> str:
        """All HTML of the page."""
        return " ".join(part["props"].get("content", "") for part in self.inputs.values())

    async def until(self, condition: Callable[[], object], seconds: float = 30) -> None:
        """Wait until something holds."""
        async with self._changed, asyncio.timeout(seconds):
            await self._changed.wait_for(lambda: bool(condition()))

    async def settle(self, seconds: float = 1.0) -> None:
        """Wait until no message has come for a while."""
        while True:
            try:
                async with self._changed, asyncio.timeout(seconds):
                    await self._changed.wait()
            except TimeoutError:
                return

    async def _read(self) -> None:
        async for raw in self._websocket:
            assert isinstance(raw, bytes)
            for message in decoded(raw):
                await self._take(message)
            async with self._changed:
                self._changed.notify_all()

    async def _take(self, message: dict[str, Any]) -> None:
        kind = message["type"]
        if kind == "GuiUpdateMessage" and message["uuid"] in self.inputs:
            part = self.inputs[message["uuid"]]
            for name, value in message["updates"].items():
                (part if name == "value" else part["props"])[name] = value
        elif kind == "RegisterCommandMessage":
            self.commands[message["uuid"]] = message
        elif kind == "RemoveCommandMessage":
            self.commands.pop(message["uuid"], None)
        elif kind == "GuiRemoveMessage":
            self.inputs.pop(message["uuid"], None)
        elif kind.startswith("Gui") and "props" in message:
            self.inputs[message["uuid"]] = message
        elif kind == "BackgroundImageMessage":
            data = message["rgb_data"]
            self.pictured_at = time.perf_counter()
            self.pictures.append(None if data is None else np.asarray(Image.open(io.BytesIO(bytes(data)))))
        elif kind == "RemoveSceneNodeMessage":
            self.nodes.pop(message["name"], None)
        elif kind == "SetSceneNodeVisibilityMessage" and message["name"] in self.nodes:
            self.nodes[message["name"]]["visible"] = message["visible"]
        elif "props" in message and "name" in message:
            self.nodes[message["name"]] = message | {"visible": True}
        elif kind == "SetCameraPositionMessage" and not message.get("initial"):
            self.position = (PAGE_FROM_SCENE.T @ np.array(message["position"])).tolist()
        elif kind == "SetCameraLookAtMessage" and not message.get("initial"):
            self.look_at = list(message["look_at"])
            await self.move()
        elif kind == "SetCameraUpDirectionMessage" and not message.get("initial"):
            self.up = list(message["position"])
            await self.move()
        elif kind == "SetCameraFovMessage" and not message.get("initial"):
            self.fov = message["fov"]
            await self.move()
        elif kind == "LocalStorageSetItemMessage":
            self.stored = message["value"]
        elif kind == "LocalStorageGetItemRequestMessage":
            answer = {"value": self.stored, "error": None, "request_uuid": message["request_uuid"]}
            await self.send({"type": "LocalStorageGetItemResponseMessage"} | answer)
        elif kind == "FileTransferStartDownload":
            self._parts[message["transfer_uuid"]] = message["filename"]
            self.files[message["filename"]] = b""
        elif kind == "FileTransferPart":
            self.files[self._parts[message["transfer_uuid"]]] += bytes(message["content"])


def decoded(raw: bytes) -> list[dict[str, Any]]:
    """viser's messages to a browser: a compressed head, and arrays after it."""
    size = int.from_bytes(raw[8:16], "little")
    head = msgspec.msgpack.decode(zstandard.ZstdDecompressor().decompress(raw[16 : 16 + size]))
    at, buffers = 16 + size, []
    for length in head["binaryBufferLengths"]:
        at += -at % 8
        buffers.append(raw[at : at + length])
        at += length

    def filled(value: Any) -> Any:
        if isinstance(value, dict):
            if "__binary_index" in value:
                return np.frombuffer(buffers[value["__binary_index"]], dtype=value["dtype"])
            return {key: filled(part) for key, part in value.items()}
        return [filled(part) for part in value] if isinstance(value, list) else value

    return [filled(message) for message in head["messages"]]


async def opened(page: Page) -> None:
    """Wait until a page has its controls and rests."""
    await page.until(lambda: "Find" in page.labels)
    await page.settle()
