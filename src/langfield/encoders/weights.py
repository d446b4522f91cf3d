"""Weights files: where they are, their digest, and what to say when they are missing or torn."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from huggingface_hub import hf_hub_download
from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, LocalEntryNotFoundError
from safetensors import SafetensorError

from langfield.core.errors import WeightsError

RANDOM = "random"
RANDOM_SEED = 0


def json_sha256(value: Mapping[str, Any]) -> str:
    """SHA-256 of a JSON value whatever the order of its keys, as hex."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def hub_file(repo_id: str, names: tuple[str, ...], spec: str, alternative: str) -> Path:
    """The first of `names` that a Hugging Face repository has, from the local cache or downloaded.

    Raises:
        WeightsError: none can be had; the line says which file to put where (`alternative` is that advice).
    """
    reason = ""
    for name in names:
        try:
            return Path(hf_hub_download(repo_id=repo_id, filename=name))
        except LocalEntryNotFoundError:
            reason = "no network"
        except EntryNotFoundError:
            reason = "the repository has no such file"
        except (OSError, HfHubHTTPError, ValueError) as error:
            reason = type(error).__name__
    raise missing(spec, f"{names[0]} of the Hugging Face repository {repo_id}", reason, alternative)


def missing(spec: str, what: str, reason: str, alternative: str) -> WeightsError:
    """The one line about weights that are not here and cannot be downloaded."""
    return WeightsError(
        f"{spec}: {what} is not on this machine and could not be downloaded ({reason}); "
        f"connect to the network once, or {alternative}"
    )


@contextmanager
def readable(path: Path, spec: str) -> Iterator[None]:
    """Turn what goes wrong while a weights file is loaded into one `WeightsError` that names the file."""
    try:
        yield
    except SafetensorError as error:
        raise WeightsError(f"not a whole safetensors file ({error}); fetch it again", path) from error
    except Exception as error:  # the safe unpickler refuses torn or hostile bytes in many ways
        text = " ".join(str(error.args[0] if isinstance(error, KeyError) else error).split())
        detail = text if len(text) <= 200 else text[:197] + "..."
        raise WeightsError(f"does not hold the weights of {spec} ({detail})", path) from error
