"""Whether a folder is a scene of the catalogue: what is there, what is missing, which phrases its files bring."""

import os
from dataclasses import dataclass
from pathlib import Path

from langfield.core.errors import DataError
from langfield.data.literature.catalogue import CatalogueScene, Need
from langfield.data.queries import MAX_PHRASE_CHARS

MAX_PHRASES = 1000
MAX_PHRASES_BYTES = 1 << 20


@dataclass(frozen=True)
class Layout:
    """What a folder holds of a catalogue's scene.

    Attributes:
        folder: the scene's own one.
        missing: a line for each thing that is needed and not there.
        missing_optional: a line for each thing that is not there and that training and asking do without.
    """

    folder: Path
    missing: tuple[str, ...]
    missing_optional: tuple[str, ...]


def look_for(scene: CatalogueScene, folder: Path) -> Layout:
    """Look for a scene in a folder, which may be its own, its data set's, or the one above that.

    Where the scene is complete in none of them, the layout is of the one that misses least.

    Raises DataError if there is no such folder.
    """
    if not folder.is_dir():
        raise DataError(f"is no folder: give the one of {scene.name}; {how_to_obtain(scene)}", folder)
    try:
        beside = sorted(sub / scene.folder for sub in folder.iterdir() if (sub / scene.folder).is_dir())
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror}): check its permissions", folder) from error
    inside = [folder / scene.folder] if (folder / scene.folder).is_dir() else []
    layouts = [_layout(scene, candidate) for candidate in (folder, *inside, *beside)]
    return min(layouts, key=lambda layout: len(layout.missing))


def how_to_obtain(scene: CatalogueScene) -> str:
    """What to tell a person who has not got the scene."""
    return f"to obtain it see {scene.data_set.page}: {scene.data_set.obtain}"


def labels_folder(scene: CatalogueScene, folder: Path) -> Path | None:
    """Where the labels of a scene's folder are; None if none lie there, or none that langfield reads."""
    if scene.labels.folder is None:
        return None
    labels = Path(os.path.normpath(folder / scene.labels.folder))
    return labels if any(any(labels.glob(pattern)) for pattern in ("*.json", "*/*.png")) else None


def phrases_of(scene: CatalogueScene, folder: Path) -> dict[str, tuple[str, ...]]:
    """A scene's phrases by group. Those of a data set that keeps them in a file are its paper's.

    Raises DataError for a file of phrases that cannot be used.
    """
    if scene.data_set.phrases_file is None:
        return scene.phrases
    return scene.phrases | {"paper": read_phrases(folder / scene.data_set.phrases_file)}


def read_phrases(path: Path) -> tuple[str, ...]:
    """The phrases of a text file, one on each line, each once. Raises DataError for a file that cannot be used."""
    try:
        with path.open("rb") as file:
            text = file.read(MAX_PHRASES_BYTES + 1)
        lines = [line.strip() for line in text.decode("utf-8-sig").splitlines()]
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror}): it must hold a phrase on each line", path) from error
    except UnicodeDecodeError as error:
        raise DataError(f"is no UTF-8 text (byte {error.start}): save it as UTF-8", path) from error
    phrases = tuple(dict.fromkeys(line for line in lines if line))
    if len(text) > MAX_PHRASES_BYTES or not 1 <= len(phrases) <= MAX_PHRASES:
        raise DataError(f"must hold 1 to {MAX_PHRASES} phrases, one on each line, found {len(phrases)}", path)
    longest = max(len(phrase) for phrase in phrases)
    if longest > MAX_PHRASE_CHARS:
        raise DataError(f"has a line of {longest} characters: phrases have at most {MAX_PHRASE_CHARS}", path)
    return phrases


def _layout(scene: CatalogueScene, folder: Path) -> Layout:
    gone = [need for need in scene.needs if not _is_there(need, folder)]
    lines = [[_line(need) for need in gone if need.optional is optional] for optional in (False, True)]
    return Layout(folder, tuple(lines[0]), tuple(lines[1]))


def _is_there(need: Need, folder: Path) -> bool:
    for pattern in need.any_of:
        inside = pattern.removeprefix("../")
        base = folder if inside == pattern else Path(os.path.normpath(folder / ".."))
        if any(path.is_file() for path in base.glob(inside)):
            return True
    return False


def _line(need: Need) -> str:
    return f"{need.what}: no {' or '.join(need.any_of)}"
