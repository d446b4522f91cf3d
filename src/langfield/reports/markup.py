"""HTML and SVG as text that is escaped by construction: what is no `Markup` yet is escaped when it is put into a tag.

Every page is also well-formed XML, so that a strict parser can say whether something slipped out of its place.
"""

import html
import re

# Elements that HTML knows without an end tag.
_VOID = frozenset({"br", "hr", "img", "link", "meta"})
# What no page may hold: XML forbids these characters even as references, and lone surrogates are no UTF-8.
_FORBIDDEN = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")

Attribute = str | int | float | bool | None


class Markup(str):
    """Text that is markup already, and is put into a page as it is."""

    __slots__ = ()


def escaped(text: str) -> Markup:
    """Text as markup that shows it, in an element or in a quoted attribute. Control characters become U+FFFD."""
    return text if isinstance(text, Markup) else Markup(html.escape(_FORBIDDEN.sub("\ufffd", text)))


def joined(*parts: str | None) -> Markup:
    """Parts one after the other; text is escaped, None left out."""
    return Markup("".join(escaped(part) for part in parts if part is not None))


def tag(name: str, /, *children: str | None, **attributes: Attribute) -> Markup:
    """An element. Children that are no `Markup` are escaped; None is left out.

    Args:
        attributes: `class_` is class, `data_value` is data-value; True is the attribute's own name, None and False
            leave it out.
    """
    words = [f'{_spelled(key)}="{_value(key, value)}"' for key, value in attributes.items() if _given(value)]
    opened = " ".join([name, *words])
    if name in _VOID:
        return Markup(f"<{opened} />")
    return Markup(f"<{opened}>{joined(*children)}</{name}>")


def _given(value: Attribute) -> bool:
    return value is not None and value is not False


def _spelled(key: str) -> str:
    return key.rstrip("_").replace("_", "-")


def _value(key: str, value: Attribute) -> str:
    if value is True:
        return _spelled(key)
    return escaped(f"{value:.6g}" if isinstance(value, float) else str(value))
