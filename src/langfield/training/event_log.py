"""Listeners that record progress events: in `events.jsonl`, and for TensorBoard."""

import importlib.util
import json
import math
import os
import time
from pathlib import Path

from langfield.core.errors import RunError, UsageError
from langfield.core.progress import Progress, ProgressEvent


class EventLog:
    """A listener that appends each event to a file, one JSON object a line, with null for figures that are not finite.

    Raises RunError when the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self, event: ProgressEvent) -> None:
        record = {
            "time": round(time.time(), 3),
            "stage": event.stage,
            "done": event.done,
            "total": event.total,
            "unit": event.unit,
            "seconds": round(event.seconds, 3),
            "metrics": {name: value if math.isfinite(value) else None for name, value in event.metrics.items()},
        }
        try:
            self._append(json.dumps(record).encode() + b"\n")
        except OSError as error:
            raise RunError(f"cannot be written: {error.strerror}; free space or rights", self._path) from error

    def _append(self, line: bytes) -> None:
        with self._path.open("ab+") as file:
            # A process that was killed while writing leaves half a line: end it, so that only that one is lost.
            if file.tell() > 0:
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":
                    file.write(b"\n")
            file.write(line)


class TensorBoardLog:
    """A listener that writes every figure as the scalar "stage/name" at its step."""

    def __init__(self, folder: Path) -> None:
        """Raises UsageError if TensorBoard is not installed."""
        if importlib.util.find_spec("tensorboard") is None:
            raise UsageError("TensorBoard is not installed; run: pip install 'langfield[tensorboard]'")
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(folder))

    def __call__(self, event: ProgressEvent) -> None:
        for name, value in event.metrics.items():
            self._writer.add_scalar(f"{event.stage}/{name}", value, event.done)
        self._writer.flush()


def broadcast(*listeners: Progress) -> Progress:
    """A listener that passes each event on to all of `listeners`."""

    def pass_on(event: ProgressEvent) -> None:
        for listener in listeners:
            listener(event)

    return pass_on
