"""Who may talk to the viewer: a token in the link, a cookie after it, and checks of Host and Origin.

The token keeps out whoever does not have the link, other users of the same machine among them. Host is checked because
a page of another site may point a name of its own at 127.0.0.1 (DNS rebinding), and Origin because browsers let every
page open websockets to every server, with that server's cookies where they are not SameSite.
"""

import hmac
import ipaddress
import secrets
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

from websockets.datastructures import Headers

from langfield.core.errors import UsageError

_TOKEN_BYTES = 24
_MIN_TOKEN_CHARS, _MAX_TOKEN_CHARS = 22, 200
_LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "::1"})
_ALL_INTERFACES = frozenset({"0.0.0.0", "::"})


@dataclass(frozen=True)
class Refusal:
    """Why a request is not answered: the status, and a line for people."""

    status: HTTPStatus
    message: str


def new_token() -> str:
    """A token that cannot be guessed: 192 random bits, as text for a link."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


def checked_token(token: str) -> str:
    """A token that was chosen by a person. UsageError if it is too short, or has characters that links do not."""
    plain = token.isascii() and all(char.isalnum() or char in "-_" for char in token)
    if not plain or not _MIN_TOKEN_CHARS <= len(token) <= _MAX_TOKEN_CHARS:
        raise UsageError(
            f"LANGFIELD_VIEW_TOKEN must be {_MIN_TOKEN_CHARS} to {_MAX_TOKEN_CHARS} letters, digits, - or _: "
            "python3 -c 'import secrets; print(secrets.token_urlsafe())' makes one"
        )
    return token


@dataclass(frozen=True)
class Access:
    """The rule by which requests are let in.

    Attributes:
        token: the secret of the link.
        host: the address that is listened on.
        port: likewise; cookies are a host's and not a port's, so it is part of the cookie's name.
        public_url: where people reach the viewer if a reverse proxy stands before it; None without.
    """

    token: str
    host: str
    port: int
    public_url: str | None = None

    @property
    def cookie_name(self) -> str:
        return f"langfield-{self.port}"

    @property
    def link(self) -> str:
        """The link with the token: of the public address, if there is one."""
        if self.public_url is not None:
            return f"{self.public_url.rstrip('/')}/?token={self.token}"
        shown = "127.0.0.1" if self.host in _ALL_INTERFACES else self.host
        return f"http://{f'[{shown}]' if ':' in shown else shown}:{self.port}/?token={self.token}"

    def cookie(self) -> str:
        """The header's value that keeps the token in the browser. Without a path: it is the page's folder, whatever
        that is behind a proxy."""
        secure = "; Secure" if (self.public_url or "").startswith("https:") else ""
        return f"{self.cookie_name}={self.token}; HttpOnly; SameSite=Strict{secure}"

    def refusal(self, path: str, headers: Headers, *, websocket: bool) -> Refusal | None:
        """Why a request is refused; None for one that may pass. Args: path: with the query, as it was asked for."""
        return self._wrong_address(headers, websocket=websocket) or self._wrong_token(path, headers)

    def has_token_in_link(self, path: str) -> bool:
        """Whether the request itself brings the right token, so that a cookie is to be set."""
        return any(self._is_token(token) for token in _tokens_of(path))

    def _wrong_address(self, headers: Headers, *, websocket: bool) -> Refusal | None:
        hosts, origins = headers.get_all("Host"), headers.get_all("Origin")
        if len(hosts) != 1 or not self._is_known_host(hosts[0]):
            return Refusal(HTTPStatus.FORBIDDEN, "This name is not the viewer's: see --public-url.")
        if not origins and not websocket:
            return None  # browsers send none with the page itself
        if len(origins) != 1 or not self._is_own_origin(origins[0], hosts[0]):
            return Refusal(HTTPStatus.FORBIDDEN, "Another site's page asked for this.")
        return None

    def _wrong_token(self, path: str, headers: Headers) -> Refusal | None:
        given = [*_tokens_of(path), *_cookies(headers, self.cookie_name)]
        if any(self._is_token(token) for token in given):
            return None
        if given:
            return Refusal(HTTPStatus.FORBIDDEN, "This link is of another start: open the one printed last.")
        return Refusal(HTTPStatus.UNAUTHORIZED, "Open the link that langfield view printed: it has a token.")

    def _is_token(self, token: str) -> bool:
        return hmac.compare_digest(token.encode(errors="replace"), self.token.encode())

    def _is_known_host(self, header: str) -> bool:
        name = _host_name(header)
        if name is None:
            return False
        if name in _LOOPBACK_NAMES or name == self.host.lower():  # at any port: ssh -L may have another one
            return True
        if self.public_url is not None and name == urlsplit(self.public_url).hostname:
            return True
        # Listening everywhere: addresses cannot be rebound by another site's name server, and the machine has a name.
        return self.host in _ALL_INTERFACES and (_is_ip_address(name) or name == socket.gethostname().lower())

    def _is_own_origin(self, origin: str, host: str) -> bool:
        if self.public_url is not None:
            public = urlsplit(self.public_url)
            if origin.lower() == f"{public.scheme}://{public.netloc}".lower():
                return True
        return origin.lower() in (f"http://{host}".lower(), f"https://{host}".lower())


def checked_public_url(url: str) -> str:
    """An address that people reach the viewer by. UsageError for what is none."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise UsageError(f"--public-url must be like https://example.org/viewer/, got {url[:80]!a}")
    return url


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what listens there."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


class TokenBucket:
    """So many things a second on average, and a few at once. For one thread.

    Args:
        rate: things a second.
        burst: how many may come at once.
        clock: seconds; another one in tests.
    """

    def __init__(self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._burst, self._clock = rate, burst, clock
        self._filled, self._at = burst, clock()

    def delay(self) -> float:
        """Take one; returns the seconds to wait until it is due, 0 for at once."""
        now = self._clock()
        self._filled = min(self._burst, self._filled + (now - self._at) * self._rate) - 1
        self._at = now
        return max(0.0, -self._filled / self._rate)

    def take(self) -> bool:
        """Take one if there is one now; returns whether."""
        if self.delay() == 0:
            return True
        self._filled += 1
        return False


def _tokens_of(path: str) -> list[str]:
    try:
        return parse_qs(urlsplit(path).query, max_num_fields=20).get("token", [])
    except ValueError:
        return []


def _cookies(headers: Headers, name: str) -> list[str]:
    pairs = (part.strip().partition("=") for header in headers.get_all("Cookie") for part in header.split(";"))
    return [value for key, _, value in pairs if key == name]


def _host_name(header: str) -> str | None:
    """The name in a Host header, lower case, without port and brackets; None for a malformed one."""
    try:
        parts = urlsplit(f"//{header}")
        _ = parts.port  # ValueError if it is no number
    except ValueError:
        return None
    return parts.hostname if parts.path == "" and "@" not in header else None


def _is_ip_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def security_headers(nonce: str, host: str) -> Mapping[str, str]:
    """Headers of the page: it may load nothing from elsewhere, run no script but its own, and be in no frame.

    Args:
        nonce: of the page's own scripts.
        host: the request's Host, which was checked: older browsers do not take 'self' for websockets.
    """
    policy = {
        "default-src": "'none'",
        "script-src": f"'nonce-{nonce}' 'unsafe-eval' blob:",  # viser's sorter of Gaussians makes functions
        "worker-src": "blob: data:",
        "style-src": "'unsafe-inline'",
        "img-src": "'self' data: blob:",
        "font-src": "data:",
        "connect-src": f"'self' ws://{host} wss://{host} data: blob:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": "no-store",
    }
