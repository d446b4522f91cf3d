"""Options that every command has, and how options that may be left out look in the help."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import tyro

from langfield.runs.existence import check_has_run

if TYPE_CHECKING:
    from langfield.query.session import Session

T = TypeVar("T")

# Left out means None; the help says in words what that does.
OptionalInt = Annotated[int | None, tyro.conf.arg(metavar="N", help_behavior_hint="")]
OptionalFloat = Annotated[float | None, tyro.conf.arg(metavar="X", help_behavior_hint="")]
MinPresence = Annotated[float | None, tyro.conf.arg(metavar="0…1", help_behavior_hint="")]
PresetName = Annotated[str | None, tyro.conf.arg(metavar="PRESET", help_behavior_hint="")]
OptionalPath = Annotated[Path | None, tyro.conf.arg(metavar="PATH", help_behavior_hint="")]
Device = Annotated[str, tyro.conf.arg(metavar="DEVICE")]
EncoderSpec = Annotated[str | None, tyro.conf.arg(metavar="SPEC", help_behavior_hint="")]
Flag = Annotated[bool, tyro.conf.arg(help_behavior_hint="")]
# Takes several, and given again it takes those too: --phrase mug 'wooden spoon' --phrase vase. The default of such an
# option is (), for what is given comes after the default and not in its place; its help says where it ends.
Texts = tyro.conf.UseAppendAction[
    Annotated[tuple[tuple[str, ...], ...], tyro.conf.arg(metavar="TEXT…", help_behavior_hint="")]
]
Phrases = tyro.conf.Positional[Annotated[tuple[str, ...], tyro.conf.arg(metavar="PHRASE…", help_behavior_hint="")]]


@dataclass(frozen=True, kw_only=True)
class OutputOptions:
    """How a command speaks."""

    json: Flag = False
    """Print exactly one JSON object on stdout."""

    progress: Flag = True
    """Show no progress on stderr."""


@dataclass(frozen=True, kw_only=True)
class RunOptions(OutputOptions):
    """Which run is opened, and how."""

    path: tyro.conf.Positional[Path]
    """The run directory."""

    encoder: EncoderSpec = None
    """The run's image-text encoder, if it has moved, such as openclip:local-dir:FOLDER."""

    device: Device = "auto"
    """auto, cpu, cuda or cuda:N."""

    def opened(self) -> "Session":
        """The run, to be asked. A path without a run is refused before torch is loaded, which takes seconds."""
        check_has_run(self.path)
        import langfield

        return langfield.open(self.path, device=self.device, encoder=self.encoder)


def flat(given: Sequence[Sequence[T]]) -> tuple[T, ...]:
    """The values of an option that may be given again, of all its times."""
    return tuple(value for values in given for value in values)
