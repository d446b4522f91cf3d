"""A small picture of a run, which people see before anything else of it is loaded. Importing this takes no torch."""

from pathlib import Path

PREVIEW = "preview.jpg"
_MOST_BYTES = 1 << 20
_JPEG = b"\xff\xd8\xff"


def read_preview(run: Path) -> bytes | None:
    """A run's preview as JPEG; None where there is none, as in runs of older versions, or none that can be shown."""
    try:
        with (run / PREVIEW).open("rb") as file:
            jpeg = file.read(_MOST_BYTES + 1)
    except OSError:
        return None
    return jpeg if jpeg.startswith(_JPEG) and len(jpeg) <= _MOST_BYTES else None
