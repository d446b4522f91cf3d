"""Reads a page without a server again, independently of what wrote it: its plain data and its arrays."""

import base64
import gzip
import json
import math
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

import numpy as np

TYPES = {"u1": "<u1", "u2": "<u2", "f4": "<f4"}


class _Blocks(HTMLParser):
    """The text of the page's title, and of its scripts and styles by id or type, as a browser divides it."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.blocks: dict[str, str] = {}
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._open: str | None = None

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.tags.append((tag, given))
        if tag in ("script", "style", "title"):
            self._open = given.get("id") or given.get("type") or tag
            self.blocks[self._open] = ""

    def handle_endtag(self, tag):
        self._open = None

    def handle_data(self, data):
        if self._open:
            self.blocks[self._open] += data


@dataclass(frozen=True)
class PageFile:
    """A page: its text, elements with their attributes, blocks of text, plain data, and arrays as they are stored and
    as what they stand for."""

    text: str
    tags: list[tuple[str, dict[str, str | None]]]
    blocks: dict[str, str]
    contents: dict
    stored: dict[str, np.ndarray]
    arrays: dict[str, np.ndarray]


def read_page(path: Path) -> PageFile:
    text = path.read_text(encoding="utf-8")
    parser = _Blocks()
    parser.feed(text)
    contents = json.loads(parser.blocks["contents"])
    data = gzip.decompress(base64.b64decode(parser.blocks["data"]))
    stored, arrays = {}, {}
    for entry in contents["arrays"]:
        kind, count = np.dtype(TYPES[entry["type"]]), math.prod(entry["shape"])
        numbers = np.frombuffer(data, kind, count, entry["offset"]).reshape(entry["shape"])
        stored[entry["name"]] = arrays[entry["name"]] = numbers
        if "high" in entry:
            step = (entry["high"] - entry["low"]) / (2 ** (8 * kind.itemsize) - 1)
            arrays[entry["name"]] = entry["low"] + step * numbers.astype(np.float64)
    return PageFile(text, parser.tags, parser.blocks, contents, stored, arrays)


def policy_of(page: PageFile) -> dict[str, str]:
    """The page's Content-Security-Policy, directive by directive."""
    (content,) = (
        attributes["content"]
        for tag, attributes in page.tags
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    )
    parts = (part.strip().partition(" ") for part in (content or "").split(";"))
    return {name: rest for name, _, rest in parts}
