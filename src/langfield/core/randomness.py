"""One seed, several streams: every random number of a run comes from its seed."""

import hashlib


def stream_seed(seed: int, *names: str | int) -> int:
    """A seed of its own for each named stream ("batches", "method", …), so that no two draw the same numbers."""
    digest = hashlib.sha256("/".join(map(str, (seed, *names))).encode()).digest()
    return int.from_bytes(digest[:8]) >> 1  # torch takes 63 bits
