"""Weights files: where they are, their digest, and what to say when they are missing or torn."""

import hashlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from huggingface_hub import constants, get_hf_file_metadata, hf_hub_download, hf_hub_url, try_to_load_from_cache
from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, LocalEntryNotFoundError
from safetensors import SafetensorError

from langfield.core.errors import WeightsError

RANDOM = "random"
RANDOM_SEED = 0
_PATIENCE_S = 2.0  # for the hub's first answer, unless the hub's own HF_HUB_ETAG_TIMEOUT says otherwise

T = TypeVar("T")


def json_sha256(value: Mapping[str, Any]) -> str:
    """SHA-256 of a JSON value whatever the order of its keys, as hex."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def hub_file(repo_id: str, names: tuple[str, ...], spec: str, alternative: str) -> Path:
    """The first of `names` that the local cache has, or else that a Hugging Face repository has, downloaded.

    Without an answer from the hub it gives up after `_PATIENCE_S`: the hub's own client tries for half a minute.

    Raises:
        WeightsError: none can be had; the line says which file to put where (`alternative` is that advice).
    """
    reason = ""
    for name in names:
        cached = try_to_load_from_cache(repo_id, name)
        if isinstance(cached, str):
            return Path(cached)
    for name in names:
        try:
            _ask_hub(repo_id, name)
            return Path(hf_hub_download(repo_id=repo_id, filename=name))
        except EntryNotFoundError as error:
            is_local = isinstance(error, LocalEntryNotFoundError)  # the network went while it was downloaded
            reason = "no network" if is_local else "the repository has no such file"
        except _NoNetworkError as error:
            reason = str(error)
            break
        except (OSError, HfHubHTTPError, ValueError) as error:
            reason = type(error).__name__
    raise missing(spec, f"{names[0]} of the Hugging Face repository {repo_id}", reason, alternative)


@contextmanager
def hub_only_if_it_answers(repo_id: str) -> Iterator[None]:
    """What other libraries load from the hub in here, they take from the local cache at once while the hub does not
    answer, instead of trying again and again."""
    before = constants.HF_HUB_OFFLINE
    try:
        _ask_hub(repo_id, "config.json")
    except _NoNetworkError:
        constants.HF_HUB_OFFLINE = True
    except (OSError, HfHubHTTPError, ValueError):
        pass  # it answered
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


class _NoNetworkError(Exception):
    """The hub does not answer."""


def _ask_hub(repo_id: str, name: str) -> None:
    """Ask the hub once for a file of a repository. Raises `_NoNetworkError`, or the hub's own error if it has none."""
    own = constants.HF_HUB_ETAG_TIMEOUT
    patience = _PATIENCE_S if own == constants.DEFAULT_ETAG_TIMEOUT else own
    try:
        _within(patience, lambda: get_hf_file_metadata(hf_hub_url(repo_id, name), timeout=patience))
    except (HfHubHTTPError, ValueError):
        raise
    except Exception as error:  # of requests or httpx, as the hub's client has it
        if isinstance(error, TimeoutError) or "Timeout" in type(error).__name__:
            raise _NoNetworkError(f"no answer within {patience:g} s; HF_HUB_ETAG_TIMEOUT=30 waits longer") from error
        raise _NoNetworkError("no network") from error


def _within(seconds: float, question: Callable[[], T]) -> T:
    """What `question` returns or raises; TimeoutError if that takes longer, wherever it hangs: looking up a name knows
    no timeout of its own."""
    answer: Future[T] = Future()

    def ask() -> None:
        try:
            answer.set_result(question())
        except BaseException as error:
            answer.set_exception(error)

    threading.Thread(target=ask, daemon=True).start()
    return answer.result(timeout=seconds)


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
