"""The text of a page: a template, one style sheet and scripts from browser/, and the data, in one file.

What comes from a run or a person stands in two places: the title, and data blocks that browsers do not run. The page
may run its own script only (its digest is in the page's Content-Security-Policy) and load nothing at all.
"""

import base64
import hashlib
import html
import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

# In the order in which they are put together; each uses what those before it define.
SCRIPTS = ("data", "vectors", "colours", "sorting", "renderer", "camera", "controls", "boxes", "panel", "main")


def page_text(title: str, contents: Mapping[str, Any], data: bytes) -> str:
    """The file's text.

    Args:
        title: plain text.
        contents: plain data, with finite numbers only.
        data: bytes that go with it.
    """
    style, script = _asset("page.css"), "\n".join(_asset(f"{name}.js") for name in SCRIPTS)
    policy = (
        f"default-src 'none'; script-src '{_digest(script)}'; style-src '{_digest(style)}'; worker-src blob:; "
        "base-uri 'none'; form-action 'none'"
    )
    parts = {
        "policy": html.escape(policy, quote=False),
        "title": html.escape(title.encode("utf-8", "replace").decode()),
        "style": style,
        "contents": json_in_html(contents),
        "data": base64.b64encode(data).decode(),
        "script": script,
    }
    pieces = _asset("page.html").split("@@")
    return "".join(piece if index % 2 == 0 else parts[piece] for index, piece in enumerate(pieces))


def json_in_html(document: Mapping[str, Any]) -> str:
    """JSON that ends no element of HTML, whatever its texts hold: ASCII, without angle brackets and ampersands."""
    text = json.dumps(document, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


@cache
def _asset(name: str) -> str:
    return files("langfield.export.page").joinpath("browser", name).read_text(encoding="utf-8")
