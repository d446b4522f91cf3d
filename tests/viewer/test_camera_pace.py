"""Cameras that come too often: the newest is passed on, in time, and before whatever comes after it."""

import asyncio

import msgspec.msgpack
import pytest

pytest.importorskip("viser", reason="the viewer's extra is not installed: pip install 'langfield[view]'")

from tests.viewer.clients import camera_message

from langfield.viewer.camera_pace import CameraPace
from langfield.viewer.client_messages import is_camera


def passed_on(seconds_between: float, cameras: int, every: float) -> list[bytes]:
    sent: list[bytes] = []

    async def send(message: bytes) -> None:
        sent.append(message)

    async def run() -> None:
        pace = CameraPace(send, lambda: seconds_between)
        for number in range(cameras):
            await pace.take(b"%d" % number)
            await asyncio.sleep(every)
        await asyncio.sleep(2 * seconds_between)
        pace.close()

    asyncio.run(run())
    return sent


def test_without_a_pace_all_are_passed_on():
    assert passed_on(0.0, 5, 0.0) == [b"0", b"1", b"2", b"3", b"4"]


def test_of_many_the_first_at_once_some_on_the_way_and_the_last_always():
    sent = passed_on(0.2, 40, 0.02)
    assert (sent[0], sent[-1]) == (b"0", b"39")
    assert 3 <= len(sent) <= 12
    assert [int(one) for one in sent] == sorted(int(one) for one in sent)


def test_what_is_held_comes_before_what_follows_and_only_once():
    sent: list[bytes] = []

    async def send(message: bytes) -> None:
        sent.append(message)

    async def run() -> None:
        pace = CameraPace(send, lambda: 0.1)
        for number in range(3):
            await pace.take(b"%d" % number)
        await pace.flush()
        await send(b"click")
        await asyncio.sleep(0.3)
        await pace.take(b"3")
        await pace.take(b"4")
        pace.close()
        await asyncio.sleep(0.3)

    asyncio.run(run())
    assert sent == [b"0", b"2", b"click", b"3"]


def test_cameras_are_told_by_their_type():
    assert is_camera(camera_message())
    typed = {"type": "GuiUpdateMessage", "uuid": "a", "updates": {"value": "ViewerCameraMessage"}}
    assert not is_camera(msgspec.msgpack.encode(typed))
