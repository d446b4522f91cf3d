"""Configurations are frozen dataclasses beside the class that reads them; here is their JSON form.

A place that takes one of several kinds of config (a sampler, a head) is annotated with their common base, a
`TypedConfig`; in JSON each kind carries its `type`. A key that is missing takes its default, so that documents written
before a setting existed can still be read.
"""

import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, ClassVar, TypeVar, Union, get_args, get_origin, get_type_hints

from langfield.core.errors import LangfieldError

T = TypeVar("T")


class TypedConfig:
    """Base of a family of configs of which one is chosen, and which are distinguished by their `type`.

    A family is a direct subclass without a `type`; its members are dataclasses that derive from it and set one:

        class SamplerConfig(TypedConfig): ...

        @dataclass(frozen=True)
        class ProposalSamplerConfig(SamplerConfig):
            type: ClassVar[str] = "proposal"

    Members are known to `config_from_json` as soon as their module was imported.
    """

    type: ClassVar[str]
    members: ClassVar[dict[str, Any]]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if TypedConfig in cls.__bases__:
            cls.members = {}
        if "type" in cls.__dict__:
            known = cls.members.setdefault(cls.type, cls)
            if known.__qualname__ != cls.__qualname__ or known.__module__ != cls.__module__:
                raise TypeError(f"{cls.__qualname__} has the type {cls.type!r} of {known.__qualname__}")
            cls.members[cls.type] = cls


def config_to_json(config: Any) -> dict[str, Any]:
    """A dataclass tree as plain JSON values: tuples become lists, typed configs get a key "type"."""
    return _plain(config)


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        values = {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
        return {"type": value.type, **values} if isinstance(value, TypedConfig) else values
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def config_from_json(kind: type[T], values: Any, where: str = "config") -> T:
    """The inverse of `config_to_json`; keys that are missing take their defaults.

    Raises ValueError naming the place for unknown keys, for missing ones without a default, for values of another
    type, and for the `type` of a config that is not known.
    """
    return _build(kind, values, where)


def _build(kind: Any, value: Any, where: str) -> Any:
    if isinstance(kind, type) and issubclass(kind, TypedConfig):
        return _build_typed(kind, value, where)
    if is_dataclass(kind):
        return _build_dataclass(kind, value, where)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is tuple:
        return _build_tuple(arguments, value, where)
    if origin in (dict, Mapping):
        if not isinstance(value, dict):
            raise ValueError(f"{where} must be an object, got {value!r}")
        return {str(key): _build(arguments[1], item, f"{where}.{key}") for key, item in value.items()}
    if origin in (Union, types.UnionType):  # of something and None
        (other,) = (a for a in arguments if a is not type(None))
        return None if value is None else _build(other, value, where)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or (kind is not bool and isinstance(value, bool)):
        raise ValueError(f"{where} must be {kind.__name__}, got {value!r}")
    return value


def _build_tuple(arguments: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise ValueError(f"{where} must be a list, got {value!r}")
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return tuple(_build(arguments[0], item, f"{where}[{i}]") for i, item in enumerate(value))
    if len(arguments) != len(value):
        raise ValueError(f"{where} must have {len(arguments)} items, got {len(value)}")
    return tuple(_build(a, item, f"{where}[{i}]") for i, (a, item) in enumerate(zip(arguments, value, strict=True)))


def _build_typed(family: Any, value: Any, where: str) -> Any:
    if not isinstance(value, dict):
        raise ValueError(f"{where} must be an object, got {value!r}")
    name = value.get("type", getattr(family, "type", None))
    members = {known: member for known, member in family.members.items() if issubclass(member, family)}
    if not isinstance(name, str) or name not in members:
        known = ", ".join(sorted(members))
        raise ValueError(f"{where}.type is {name!r}; known are {known}, and what an imported module adds")
    return _build_dataclass(members[name], {k: v for k, v in value.items() if k != "type"}, where)


def _build_dataclass(kind: Any, value: Any, where: str) -> Any:
    if not isinstance(value, dict):
        raise ValueError(f"{where} must be an object, got {value!r}")
    known = {field.name: field for field in fields(kind)}
    unknown = sorted(value.keys() - known.keys())
    if unknown:
        raise ValueError(f"{where} has unknown keys: {', '.join(unknown)}")
    needed = [n for n, f in known.items() if f.default is MISSING and f.default_factory is MISSING and n not in value]
    if needed:
        raise ValueError(f"{where} lacks keys: {', '.join(sorted(needed))}")
    hints = get_type_hints(kind)
    values = {name: _build(hints[name], value[name], f"{where}.{name}") for name in sorted(value)}
    try:
        return kind(**values)
    except (ValueError, LangfieldError) as error:  # it checks its values
        raise ValueError(f"{where}: {error}") from None
