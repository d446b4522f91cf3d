"""Damage to files, each following from a random number generator alone: what `fuzz_readers.py` feeds the readers."""

import gzip
import json
import random
import re
import struct
import zlib
from collections.abc import Callable, Sequence
from typing import Any

HOSTILE_NUMBERS = (
    0,
    1,
    2,
    255,
    256,
    2**15,
    2**16 - 1,
    2**24,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**40,
    2**62,
    2**63,
    2**64 - 1,
)
HOSTILE_FLOATS = (0.0, -0.0, 1e-320, 1e300, -1e300, float("nan"), float("inf"), float("-inf"))
HOSTILE_WORDS = (
    b"nan", b"-inf", b"1e999", b"-1", b"0", b"1e-400", b"9" * 400, b"4294967296", b"18446744073709551616",
    b"1" + b"0" * 12, b"", b"-", b"\n", b"\r\n", b"\0", b"\xff\xfe", b"#", b"[", b"{", b'"', b"../" * 9,
    b"\xe2\x80\xae", b" " * 2000, b"1 " * 3000,
)  # fmt: skip
HOSTILE_VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 1e308, 10**400, 2**63, "", "nan", "../../x", "a\0b", "\ud800", [], {}, [[]], [1] * 999,
    {"a": {}},
)  # fmt: skip
_NUMBER = re.compile(rb"-?[0-9]+\.?[0-9]*(e-?[0-9]+)?")

Mutation = Callable[[bytearray, random.Random, Sequence[bytes]], None]


def flip_bits(content: bytearray, rng: random.Random, _: Sequence[bytes]) -> None:
    for _ in range(rng.choice((1, 1, 2, 8, 64))):
        if content:
            content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)


def cut_off(content: bytearray, rng: random.Random, _: Sequence[bytes]) -> None:
    del content[rng.randrange(len(content) + 1) :]


def cut_out(content: bytearray, rng: random.Random, _: Sequence[bytes]) -> None:
    at = rng.randrange(len(content) + 1)
    del content[at : at + rng.choice((1, 2, 4, 8, 100, 1000))]


def double(content: bytearray, rng: random.Random, _: Sequence[bytes]) -> None:
    at, count = rng.randrange(len(content) + 1), rng.choice((1, 4, 60, 1000))
    content[at:at] = content[at : at + count] * rng.choice((1, 1, 2, 50))


def splice(content: bytearray, rng: random.Random, others: Sequence[bytes]) -> None:
    """The beginning of one file, and the end of another."""
    other = rng.choice(others)
    content[rng.randrange(len(content) + 1) :] = other[rng.randrange(len(other) + 1) :]


def put_number(content: bytearray, rng: random.Random, _: Sequence[bytes]) -> None:
    """A hostile number in binary, of either byte order, most often near the beginning, where counts are."""
    size = rng.choice((1, 2, 4, 8))
    at = rng.randrange(min(len(content), rng.choice((16, 64, 10**9))) + 1)
    if size >= 4 and rng.random() < 0.3:
        order = rng.choice("<>")
        value = rng.choice(HOSTILE_FLOATS) if size == 8 else min(max(rng.choice(HOSTILE_FLOATS), -3e38), 3e38)
        content[at : at + size] = struct.pack(f"{order}{'d' if size == 8 else 'f'}", value)
    else:
        order = rng.choice(("little", "big"))
        content[at : at + size] = (rng.choice(HOSTILE_NUMBERS) % 256**size).to_bytes(size, order)


def replace_number(content: bytearray, rng: random.Random, _: Sequence[bytes]) -> None:
    """A number in text replaced by a hostile word."""
    found = list(_NUMBER.finditer(content, 0, 1 << 20))
    if found:
        start, end = rng.choice(found).span()
        content[start:end] = rng.choice(HOSTILE_WORDS)


def put_word(content: bytearray, rng: random.Random, _: Sequence[bytes]) -> None:
    at = rng.randrange(len(content) + 1)
    content[at:at] = rng.choice(HOSTILE_WORDS)


def shuffle_lines(content: bytearray, rng: random.Random, _: Sequence[bytes]) -> None:
    lines = content.split(b"\n")
    one, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    lines[one], lines[other] = lines[other], lines[one]
    if rng.random() < 0.3:
        del lines[rng.randrange(len(lines))]
    content[:] = b"\n".join(lines)


MUTATIONS: tuple[Mutation, ...] = (
    flip_bits, cut_off, cut_out, double, splice, put_number, put_number, replace_number, replace_number, put_word,
    shuffle_lines,
)  # fmt: skip


def mutated(content: bytes, rng: random.Random, others: Sequence[bytes]) -> bytes:
    """A file with one to four kinds of damage.

    Half of the time, what is packed (gzip) is damaged within, the check sums of a PNG are made right again, and the
    values of JSON are damaged instead of its text.
    """
    inside = rng.random() < 0.5
    if inside and content.startswith(b"\x1f\x8b"):
        return gzip.compress(mutated(gzip.decompress(content), rng, [gzip.decompress(other) for other in others]), 1)
    if inside and content.startswith(b"\x89PNG"):
        return _with_check_sums(_damaged(content, rng, others))
    if inside and content[:1] == b"{":
        return json.dumps(_damaged_json(json.loads(content), rng)).encode()
    return _damaged(content, rng, others)


def _damaged(content: bytes, rng: random.Random, others: Sequence[bytes]) -> bytes:
    out = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 4))):
        rng.choice(MUTATIONS)(out, rng, others)
    return bytes(out)


def _with_check_sums(content: bytes) -> bytes:
    out, at = bytearray(content), 8
    while at + 12 <= len(out):
        (size,) = struct.unpack_from(">I", out, at)
        if at + 12 + size > len(out):
            break
        struct.pack_into(">I", out, at + 8 + size, zlib.crc32(out[at + 4 : at + 8 + size]))
        at += 12 + size
    return bytes(out)


def _damaged_json(document: Any, rng: random.Random) -> Any:
    """One to three values replaced, left out, doubled, or moved."""
    for _ in range(rng.choice((1, 1, 2, 3))):
        holders = _holders(document)
        if not holders:
            return document
        holder = rng.choice(holders)
        key = rng.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
        match rng.randrange(5):
            case 0:
                del holder[key]
            case 1:
                other = rng.choice(holders)
                holder[key] = json.loads(
                    json.dumps(rng.choice(list(other.values() if isinstance(other, dict) else other)))
                )
            case 2 if isinstance(holder, list):
                holder.extend(json.loads(json.dumps(holder[:100])))
            case _:
                holder[key] = json.loads(json.dumps(rng.choice(HOSTILE_VALUES)))
    return document


def _holders(document: Any) -> list[dict[str, Any] | list[Any]]:
    """All objects and lists that hold something."""
    found, waiting = [], [document]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict | list) and value:
            found.append(value)
            waiting.extend(value.values() if isinstance(value, dict) else value)
    return found
