"""Configurations are frozen dataclasses beside the class that reads them; here is their JSON form."""

import types
from dataclasses import asdict, fields, is_dataclass
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")


def config_to_json(config: Any) -> dict[str, Any]:
    """A dataclass tree as plain JSON values (tuples become lists)."""
    return _plain(asdict(config))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def config_from_json(kind: type[T], values: Any, where: str = "config") -> T:
    """The inverse of `config_to_json`.

    Raises ValueError naming the place for unknown or missing keys and for values of another type.
    """
    return _build(kind, values, where)


def _build(kind: Any, value: Any, where: str) -> Any:
    if is_dataclass(kind):
        return _build_dataclass(kind, value, where)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise ValueError(f"{where} must be a list, got {value!r}")
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return tuple(_build(arguments[0], item, f"{where}[{i}]") for i, item in enumerate(value))
        if len(arguments) != len(value):
            raise ValueError(f"{where} must have {len(arguments)} items, got {len(value)}")
        return tuple(_build(a, item, f"{where}[{i}]") for i, (a, item) in enumerate(zip(arguments, value, strict=True)))
    if origin in (Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        return _build(_alternative([a for a in arguments if a is not type(None)], value), value, where)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or (kind is not bool and isinstance(value, bool)):
        raise ValueError(f"{where} must be {kind.__name__}, got {value!r}")
    return value


def _alternative(kinds: list[Any], value: Any) -> Any:
    """Of several kinds of config the one with the value's keys; the first one, if none has them."""
    keys = set(value) if isinstance(value, dict) else set()
    return next((kind for kind in kinds if is_dataclass(kind) and {f.name for f in fields(kind)} == keys), kinds[0])


def _build_dataclass(kind: Any, value: Any, where: str) -> Any:
    if not isinstance(value, dict):
        raise ValueError(f"{where} must be an object, got {value!r}")
    names = {f.name for f in fields(kind)}
    if set(value) != names:
        wrong = sorted(set(value) ^ names)
        raise ValueError(f"{where} has unknown or missing keys: {', '.join(wrong)}")
    hints = get_type_hints(kind)
    return kind(**{name: _build(hints[name], value[name], f"{where}.{name}") for name in sorted(names)})
