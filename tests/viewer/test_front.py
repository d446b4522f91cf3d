"""The front from outside: who is let in, what is passed on, and that nothing a client does ends it."""

import asyncio
import contextlib
import gzip
import http.client
import logging
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import msgspec.msgpack
import pytest

pytest.importorskip("viser", reason="the viewer's extra is not installed: pip install 'langfield[view]'")

import viser
from tests.viewer.clients import Browser, camera_message, headers_of, listening_ports
from websockets.exceptions import ConnectionClosed

from langfield.core.errors import UsageError
from langfield.viewer.access import Access, checked_token, new_token
from langfield.viewer.client_messages import MAX_MESSAGE_BYTES
from langfield.viewer.front import MAX_CLIENTS, Front, page_with_scripts
from langfield.viewer.viser_server import HiddenViser, page


@pytest.fixture(scope="module")
def hidden() -> Iterator[HiddenViser]:
    hidden = HiddenViser()
    yield hidden
    hidden.stop()


@pytest.fixture
def front(hidden: HiddenViser) -> Iterator[Front]:
    front = Front(Access(new_token(), "127.0.0.1", 0), page(), hidden.socket)
    front.start()
    yield front
    front.stop()


def get(front: Front, path: str = "/", **headers: str) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", front.access.port, timeout=10)
    connection.request("GET", path, headers=headers)
    return connection.getresponse()


def test_the_page_needs_the_token_and_then_the_cookie(front: Front):
    assert get(front).status == 401
    assert get(front, "/?token=wrong").status == 403
    first = get(front, f"/?token={front.access.token}")
    assert first.status == 200
    assert b"<!doctype html>" in first.read()[:100]
    cookie = first.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert "Path" not in cookie  # so that it is the folder of the page, under whatever path a proxy puts it
    again = get(front, Cookie=cookie.split(";")[0])
    assert again.status == 200
    assert again.headers["Set-Cookie"] is None
    assert get(front, Cookie=f"{front.access.cookie_name}=wrong").status == 403


def test_the_page_may_load_nothing_and_be_nowhere_else(front: Front):
    answer = get(front, f"/?token={front.access.token}", **{"Accept-Encoding": "gzip"})
    html = gzip.decompress(answer.read()).decode()
    policy = dict(part.split(" ", 1) for part in answer.headers["Content-Security-Policy"].split("; "))
    nonce = re.search(r"'nonce-([^']+)'", policy["script-src"])
    assert nonce is not None
    assert html.count(f'<script nonce="{nonce[1]}"') == html.count("<script") == 2
    assert "unsafe-inline" not in policy["script-src"]
    assert policy["frame-ancestors"] == "'none'"
    assert answer.headers["Referrer-Policy"] == "no-referrer"


def test_only_one_page_is_there_under_any_folder(front: Front):
    cookie = {"Cookie": f"{front.access.cookie_name}={front.access.token}"}
    assert get(front, "/scenes/kitchen/", **cookie).status == 200
    for path in ("/etc/passwd", "/../../etc/passwd", "/%2e%2e/secret", "/index.html", "/favicon.ico"):
        assert get(front, path, **cookie).status == 404
        assert get(front, path).status == 401


@pytest.mark.parametrize("host", ["evil.example", "evil.example:{port}", "127.0.0.1.evil.example", "", "a@127.0.0.1"])
def test_another_host_is_refused(front: Front, host: str):
    headers = {"Host": host.format(port=front.access.port)}
    assert get(front, f"/?token={front.access.token}", **headers).status == 403


@pytest.mark.parametrize("host", ["localhost:{port}", "127.0.0.1:8888", "[::1]:{port}", "LOCALHOST:1"])
def test_an_ssh_tunnel_may_have_another_port(front: Front, host: str):
    headers = {"Host": host.format(port=front.access.port)}
    assert get(front, f"/?token={front.access.token}", **headers).status == 200


def test_another_origin_is_refused(front: Front):
    for origin in ("http://evil.example", "null", f"http://127.0.0.1:{front.access.port + 1}", "file://"):
        assert get(front, f"/?token={front.access.token}", Origin=origin).status == 403
        assert asyncio.run(Browser(front).refused_with(origin=origin)) == 403
    assert asyncio.run(Browser(front).refused_with(origin=None)) == 403
    assert asyncio.run(Browser(front).refused_with(host="evil.example")) == 403


def test_a_websocket_needs_the_cookie(front: Front):
    assert asyncio.run(Browser(front).refused_with(cookie=None)) == 401
    assert asyncio.run(Browser(front).refused_with(cookie="wrong")) == 403

    async def opened() -> bytes:
        async with Browser(front).connect() as websocket:
            await websocket.send(camera_message())
            return await asyncio.wait_for(websocket.recv(), 10)

    assert len(asyncio.run(opened())) > 16  # viser's first messages


def test_behind_a_proxy_its_own_address_counts(hidden: HiddenViser):
    access = Access(new_token(), "127.0.0.1", 0, "https://example.org/scenes/")
    front = Front(access, page(), hidden.socket)
    front.start()
    try:
        assert front.access.link == f"https://example.org/scenes/?token={access.token}"
        answer = get(front, f"/scenes/?token={access.token}", Host="example.org", Origin="https://example.org")
        assert answer.status == 200
        assert "Secure" in answer.headers["Set-Cookie"]
        # a proxy that asks for 127.0.0.1 and leaves the browser's Origin
        assert get(front, f"/?token={access.token}", Origin="https://example.org").status == 200
        assert get(front, f"/?token={access.token}", Host="example.com").status == 403
    finally:
        front.stop()


def test_a_thousand_wrong_tokens_end_nothing(front: Front):
    statuses = {get(front, f"/?token={new_token()}").status for _ in range(1000)}
    assert statuses <= {403, 429}
    assert 429 in statuses

    async def after_a_moment() -> int:
        await asyncio.sleep(0.5)
        return get(front, f"/?token={front.access.token}").status

    assert asyncio.run(after_a_moment()) == 200


def test_who_has_no_token_locks_nobody_out(front: Front):
    for _ in range(70):
        assert get(front, "/", Host="evil.example").status in (403, 429)
    assert get(front, f"/?token={front.access.token}").status == 200
    assert asyncio.run(Browser(front).refused_with()) is None


def test_who_has_the_token_may_ask_so_often(front: Front):
    statuses = [get(front, f"/none?token={front.access.token}").status for _ in range(200)]
    assert set(statuses) == {404, 429}
    assert get(front, "/").status == 401


def exchanged(front: Front, request: str) -> str:
    """The first line of the answer to a request that is sent as it is."""
    with socket.create_connection(("127.0.0.1", front.access.port), timeout=10) as connection:
        connection.sendall(request.encode())
        return connection.makefile("rb").read().decode(errors="replace").partition("\r\n")[0]


@pytest.mark.parametrize("twice", ["Upgrade: websocket", "Upgrade: h2c", "Accept-Encoding: gzip"])
def test_headers_that_are_there_twice_are_no_error(front: Front, caplog: pytest.LogCaptureFixture, twice: str):
    start = f"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: http://127.0.0.1\r\n{twice}\r\n{twice}\r\n"
    assert " 401 " in exchanged(front, f"{start}\r\n")
    with_token = exchanged(front, f"{start}Cookie: {front.access.cookie_name}={front.access.token}\r\n\r\n")
    assert (" 426 " if "websocket" in twice else " 200 ") in with_token
    assert get(front).status == 401  # errors are written after their answer
    assert caplog.text == ""


def test_other_methods_are_answered(front: Front, caplog: pytest.LogCaptureFixture):
    for method in ("HEAD", "POST", "OPTIONS"):
        connection = http.client.HTTPConnection("127.0.0.1", front.access.port, timeout=10)
        connection.request(method, f"/?token={front.access.token}")
        answer = connection.getresponse()
        assert (answer.status, answer.headers["Allow"], answer.read()) == (405, "GET", b"")
        connection.close()
    assert get(front, f"/?token={front.access.token}").status == 200
    assert caplog.text == ""


def test_who_leaves_early_is_not_reported(front: Front, caplog: pytest.LogCaptureFixture):
    address = ("127.0.0.1", front.access.port)
    for sent in (b"", b"GET / HTTP/1.1\r\nHost: 127", b"nonsense\r\n\r\n", b"\x16\x03\x01"):
        with socket.create_connection(address, timeout=10) as connection:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            connection.recv(100)
    with socket.create_connection(address) as connection:
        lines = "\r\n".join(f"{key}: {value}" for key, value in headers_of(front).items())
        connection.sendall(f"GET / HTTP/1.1\r\n{lines}\r\n\r\n".encode())
    assert asyncio.run(_first_message(front))
    assert caplog.text == ""


def test_errors_of_one_s_own_are_reported_and_no_token_is(front: Front, caplog, monkeypatch: pytest.MonkeyPatch):
    caplog.set_level(logging.DEBUG)
    assert get(front, f"/?token={front.access.token}").status == 200
    assert front.access.token not in caplog.text
    monkeypatch.setattr(front, "_page_for", lambda request: 1 / 0)
    assert get(front, f"/?token={front.access.token}").status == 500
    assert get(front).status == 401  # after the error was written, which is after its answer
    assert "ZeroDivisionError" in caplog.text


def test_viser_has_no_port_of_its_own(front: Front, hidden: HiddenViser):
    assert listening_ports() == {front.access.port}
    assert hidden.socket.parent.stat().st_mode & 0o777 == 0o700


def test_what_is_no_message_closes_only_its_own_connection(front: Front):
    async def sent(message: bytes | str) -> int | None:
        async with Browser(front).connect() as websocket:
            await websocket.send(camera_message())
            await websocket.send(message)
            with contextlib.suppress(ConnectionClosed):
                async for _ in websocket:
                    pass
            return websocket.close_code

    async def run() -> list[int | None]:
        async with Browser(front).connect() as other:
            codes = [
                await sent(wrong)
                for wrong in ("text", b"", b"\xc1", b"\x81\xa4type", msgspec.msgpack.encode([1]), b"\x91" * 5000)
            ]
            codes.append(await sent(b"x" * (MAX_MESSAGE_BYTES + 1)))
            await other.send(camera_message())
            assert await asyncio.wait_for(other.recv(), 10)
            return codes

    assert asyncio.run(run()) == [1008] * 6 + [1009]


def test_half_a_request_and_half_a_frame_end_nothing(front: Front):
    address = ("127.0.0.1", front.access.port)
    with socket.create_connection(address) as half, socket.create_connection(address) as silent:
        half.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n")
        with socket.create_connection(address) as frame:
            lines = "\r\n".join(f"{key}: {value}" for key, value in headers_of(front).items())
            frame.sendall(f"GET / HTTP/1.1\r\n{lines}\r\n\r\n".encode())
            assert b"101" in frame.recv(4096)
            frame.sendall(b"\x82\xfe\xff")  # of a long binary frame
        assert get(front, f"/?token={front.access.token}").status == 200
        assert silent.fileno() > 0


def test_a_flood_waits_and_others_go_on(front: Front, hidden: HiddenViser):
    async def run() -> None:
        async with Browser(front).connect() as flooding, Browser(front).connect() as other:
            flood = asyncio.create_task(_flood(flooding))
            await asyncio.sleep(0.5)
            await other.send(camera_message())
            assert await asyncio.wait_for(other.recv(), 5)
            assert not flood.done()
            flood.cancel()
            flooding.transport.abort()

    async def _flood(websocket) -> None:
        for _ in range(200_000):
            await websocket.send(camera_message())

    asyncio.run(run())


def test_so_many_browsers_and_no_more(front: Front):
    async def run() -> int | None:
        open_ones = [await Browser(front).connect() for _ in range(MAX_CLIENTS)]
        await asyncio.sleep(0.2)
        refused = await Browser(front).refused_with()
        for one in open_ones:
            await one.close()
        return refused

    front._requests._filled = front._requests._burst = 1000.0
    assert asyncio.run(run()) == 503
    assert asyncio.run(_first_message(front))


async def _first_message(front: Front) -> bytes:
    await asyncio.sleep(0.3)
    async with Browser(front).connect() as websocket:
        await websocket.send(camera_message())
        return await asyncio.wait_for(websocket.recv(), 10)


def test_nothing_but_the_page_s_messages_reaches_viser(front: Front, hidden: HiddenViser, monkeypatch):
    asked: list[str] = []
    monkeypatch.setattr(viser.ViserServer, "request_share_url", lambda *_: asked.append("a public tunnel"))
    text = hidden.server.gui.add_text("a text", "as it was")

    async def run() -> None:
        async with Browser(front).connect() as websocket:
            await websocket.send(camera_message())
            for message in (
                {"type": "ShareUrlRequest"},
                {"type": "GuiUpdateMessage", "uuid": text._impl.uuid, "updates": {"value": "x" * 5000}},
                {"type": "GuiUpdateMessage", "uuid": text._impl.uuid, "updates": {"update_cb": []}},
                {"type": "GuiUpdateMessage", "uuid": text._impl.uuid, "updates": {"value": "now", "removed": True}},
                {"type": "RemoveSceneNodeMessage", "name": "/"},
            ):
                await websocket.send(msgspec.msgpack.encode(message))
            await asyncio.sleep(0.3)
            assert text.value == "as it was"
            fine = {"type": "GuiUpdateMessage", "uuid": text._impl.uuid, "updates": {"value": "now"}}
            await websocket.send(msgspec.msgpack.encode(fine))
            await asyncio.sleep(0.3)

    asyncio.run(run())
    assert text.value == "now"
    assert not text._impl.removed
    assert asked == []
    text.remove()


def test_a_taken_port_is_said(front: Front, hidden: HiddenViser):
    second = Front(Access(new_token(), "127.0.0.1", front.access.port), page(), hidden.socket)
    with pytest.raises(UsageError, match="choose another --port"):
        second.start()


@pytest.mark.parametrize("host", ["a..b", "x" * 64])
def test_what_is_no_host_is_said(hidden: HiddenViser, host: str):
    front = Front(Access(new_token(), host, 0), page(), hidden.socket)
    with pytest.raises(UsageError, match=r"cannot listen on .* or --host"):
        front.start()


def test_a_page_of_another_viser_is_not_served_without_its_rules():
    with pytest.raises(RuntimeError, match="another page"):
        page_with_scripts("<html><script>run()</script></html>", "nonce")


def test_a_token_of_one_s_own_must_be_long():
    assert checked_token(new_token())
    for token in ("short", "x" * 21, "x" * 201, "with space" * 4, "ü" * 30):
        with pytest.raises(UsageError, match="secrets"):
            checked_token(token)


def test_nothing_is_left_when_it_stops(tmp_path: Path):
    hidden = HiddenViser()
    front = Front(Access(new_token(), "127.0.0.1", 0), page(), hidden.socket)
    front.start()
    front.stop()
    hidden.stop()
    assert not hidden.socket.parent.exists()
    assert front.access.port not in listening_ports()
