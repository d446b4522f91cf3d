"""Which addresses only this machine reaches."""

import pytest

pytest.importorskip("websockets", reason="the viewer's extra is not installed: pip install 'langfield[view]'")

from langfield.viewer.access import is_loopback


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "127.255.0.1", "::1", "localhost", "LocalHost"])
def test_loopback(host: str):
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "128.0.0.1", "127.0.0.1.example.org", "example.org", ""])
def test_other_machines_reach_the_rest(host: str):
    assert not is_loopback(host)
