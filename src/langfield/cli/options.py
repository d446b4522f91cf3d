"""Options that every command has, and how options that may be left out look in the help."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

# Left out means None; the help says in words what that does.
OptionalInt = Annotated[int | None, tyro.conf.arg(metavar="N", help_behavior_hint="")]
OptionalFloat = Annotated[float | None, tyro.conf.arg(metavar="X", help_behavior_hint="")]
OptionalText = Annotated[str | None, tyro.conf.arg(metavar="TEXT", help_behavior_hint="")]
OptionalPath = Annotated[Path | None, tyro.conf.arg(metavar="PATH", help_behavior_hint="")]
EncoderSpec = Annotated[str | None, tyro.conf.arg(metavar="SPEC", help_behavior_hint="")]
Flag = Annotated[bool, tyro.conf.arg(help_behavior_hint="")]
Texts = Annotated[tuple[str, ...], tyro.conf.arg(metavar="TEXT…", help_behavior_hint="")]
# As Texts, but given twice it takes both: --phrase mug 'wooden spoon' --phrase vase.
RepeatedTexts = tyro.conf.UseAppendAction[
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

    device: str = "auto"
    """auto, cpu, cuda or cuda:N."""
