"""What a browser may send: of viser's messages the few that the viewer's page needs, with values of bounded size.

viser trusts its clients: it sets whatever attribute of its own a message names, opens a tunnel to a public server on
request, and keeps uploads in memory. What is not listed here never reaches it.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import msgspec.msgpack

MAX_MESSAGE_BYTES = 64 * 1024
MAX_TEXT_CHARS = 2000  # of one input; phrases have limits of their own
_MAX_STORED_CHARS = 16 * 1024
_MAX_NAME_CHARS = 200
_MAX_SIDE_PX = 16384
_MAX_COORDINATE = 1e6  # of the page's frame, in which a scene is a few units large


class Malformed(ValueError):
    """A message that no page of ours sends."""


def passes(raw: bytes | str) -> bool:
    """Whether a message is passed on; False for one that is only ignored: of another kind, or a camera that is none.

    Raises Malformed for what is no message at all.
    """
    if not isinstance(raw, bytes):
        raise Malformed("messages are binary")
    if len(raw) > MAX_MESSAGE_BYTES:
        raise Malformed(f"{len(raw)} bytes")
    try:
        message = msgspec.msgpack.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Malformed(str(error)) from None
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise Malformed("a message is a map with a type")
    rule = _RULES.get(message["type"])
    return rule is not None and message.keys() <= {"type", *rule} and all(rule[key](message.get(key)) for key in rule)


class _Kind(msgspec.Struct):
    type: str


def is_camera(message: bytes) -> bool:
    """Whether a message that `passes` tells where a browser's camera is."""
    return msgspec.msgpack.decode(message, type=_Kind).type == "ViewerCameraMessage"


Check = Callable[[Any], bool]


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _coordinate(value: Any) -> bool:
    return _number(value) and abs(value) <= _MAX_COORDINATE


def _numbers(count: int, check: Check = _coordinate) -> Check:
    return lambda value: isinstance(value, list) and len(value) == count and all(map(check, value))


def _between(low: float, high: float) -> Check:
    return lambda value: _number(value) and low <= value <= high


def _text(longest: int) -> Check:
    return lambda value: isinstance(value, str) and len(value) <= longest


def _optional(check: Check) -> Check:
    return lambda value: value is None or check(value)


def _input_value(value: Any) -> bool:
    """What an input of the page may be set to."""
    return isinstance(value, bool) or _number(value) or _text(MAX_TEXT_CHARS)(value)


def _new_value(updates: Any) -> bool:
    return isinstance(updates, dict) and updates.keys() == {"value"} and _input_value(updates["value"])


def _points_of_screen(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 1 and _numbers(2, _between(-10, 10))(value[0])


_side = _between(1, _MAX_SIDE_PX)
_name = _text(_MAX_NAME_CHARS)
_modifier = _optional(_text(40))
# Every key of a message is listed, with what its value must be.
_RULES: Mapping[str, Mapping[str, Check]] = {
    "ViewerCameraMessage": {
        "wxyz": _numbers(4),
        "position": _numbers(3),
        "fov": _between(1e-3, math.pi - 1e-3),
        "near": _between(0, _MAX_COORDINATE),
        "far": _between(0, 10 * _MAX_COORDINATE),
        "image_height": _side,
        "image_width": _side,
        "look_at": _numbers(3),
        "up_direction": _numbers(3),
    },
    "GuiUpdateMessage": {"uuid": _name, "updates": _new_value},
    "GuiFormSubmitMessage": {"uuid": _name},
    "GuiFormDirtyMessage": {"uuid": _name},
    "CommandTriggerMessage": {"uuid": _name},
    "ScenePointerMessage": {
        "event_type": lambda value: value == "click",
        "ray_origin": _numbers(3),
        "ray_direction": _numbers(3),
        "screen_pos": _points_of_screen,
        "modifier": _modifier,
    },
    "SceneNodeClickMessage": {
        "name": _name,
        "instance_index": _optional(_between(0, 1e9)),
        "ray_origin": _numbers(3),
        "ray_direction": _numbers(3),
        "screen_pos": _numbers(2, _between(-10, 10)),
        "modifier": _modifier,
        "owner": _optional(_name),
    },
    "LocalStorageGetItemResponseMessage": {
        "value": _optional(_text(_MAX_STORED_CHARS)),
        "error": _optional(_text(_MAX_STORED_CHARS)),
        "request_uuid": _name,
    },
}
