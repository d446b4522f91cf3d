"""What langfield raises when something outside it is wrong.

Every error names what was wrong, where, and what to do, in one line. The command line prints it and exits with
`exit_code`; with `--json` it becomes `{"error": {"kind", "file", "message"}}`.
"""

from pathlib import Path


class LangfieldError(Exception):
    """Base of every error meant for a person: one line that says what, where, and what to do.

    Args:
        message: what was found and what is allowed.
        file: the file (or folder) the message is about, if there is one.
    """

    kind = "error"
    exit_code = 2

    def __init__(self, message: str, file: str | Path | None = None) -> None:
        self.message = _printable(" ".join(message.split()))
        self.file = None if file is None else str(file)
        super().__init__(_printable(f"{self.file}: {self.message}" if self.file else self.message))


def _printable(line: str) -> str:
    """A line with escapes for what would not be seen, or turn the line round: files may have any names."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in line)


class DataError(LangfieldError):
    """A scene, picture, or model file that cannot be used as it is."""

    kind = "data"


class WeightsError(LangfieldError):
    """Weights that are missing, torn, or not what their card says."""

    kind = "weights"


class RunError(LangfieldError):
    """A run directory that cannot be read, resumed, or written."""

    kind = "run"


class UsageError(LangfieldError):
    """Options or arguments that do not fit together."""

    kind = "usage"


class TrainingError(LangfieldError):
    """Training that could not go on (for example, losses that stay NaN)."""

    kind = "training"
    exit_code = 1


class Interrupted(LangfieldError):
    """The person pressed Ctrl-C; everything was saved first."""

    kind = "interrupted"
    exit_code = 130
