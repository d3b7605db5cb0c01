"""Weights from the Hugging Face hub, kept in its own cache and used from there when the hub cannot be asked."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import re
import warnings
from collections.abc import Iterator
from pathlib import Path

from huggingface_hub import (
    _CACHED_NO_EXIST,
    constants,
    get_hf_file_metadata,
    hf_hub_download,
    hf_hub_url,
    try_to_load_from_cache,
)
from huggingface_hub.errors import (
    FileMetadataError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from netwright.errors import FailedError, NetwrightError

WEIGHTS, CONFIG = ("model.safetensors", "pytorch_model.bin"), "config.json"


def fetch_hub(repo: str, revision: str | None = None) -> tuple[Path, Path | None]:
    """The weights of a repository, and its config.json where it has one; a bar shows the way on a terminal.

    The hub's settings apply: HF_ENDPOINT, HF_HOME, HF_TOKEN, HF_HUB_OFFLINE.
    Raises NetwrightError for a repository that is not there or not open, FailedError where the network or the disk fails.
    """
    with _quiet(), _one_line(repo, revision):
        try:
            # asked once and briefly: without a network, hf_hub_download would go on trying for minutes
            with contextlib.suppress(RemoteEntryNotFoundError):
                get_hf_file_metadata(hf_hub_url(repo, CONFIG, revision=revision))
        except Exception:
            cached = _cached(repo, revision)
            if cached is None:
                raise
            return cached
        return _downloaded(repo, revision)


@contextlib.contextmanager
def _one_line(repo: str, revision: str | None) -> Iterator[None]:
    try:
        yield
    except NetwrightError:
        raise
    except Exception as error:  # of httpx or httpx2, as the client's version decides, and of its downloader in Rust
        raise _told(error, repo, revision) from None


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the client's own words on retries, tokens and disk space: what matters is told in one line."""
    logger = logging.getLogger("huggingface_hub")
    level = logger.level
    if level == logging.WARNING:  # its default; who asked for more gets more
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _cached(repo: str, revision: str | None) -> tuple[Path, Path | None] | None:
    """What an earlier download left, or None: a config that may exist is never taken for one that does not."""
    config, *held = (try_to_load_from_cache(repo, file, revision=revision) for file in (CONFIG, *WEIGHTS))
    sound = [Path(path) for path in held if isinstance(path, str) and _is_sound(Path(path))]
    if not sound or not (isinstance(config, str) or config is _CACHED_NO_EXIST):
        return None
    return sound[0], Path(config) if isinstance(config, str) else None


def _downloaded(repo: str, revision: str | None) -> tuple[Path, Path | None]:
    config = _download(repo, revision, CONFIG)
    for file in WEIGHTS:
        path = _download(repo, revision, file)
        if path is not None:
            return path, config
    raise NetwrightError(f"{repo} has neither {' nor '.join(WEIGHTS)}: download its weights and give the file")


def _download(repo: str, revision: str | None, file: str) -> Path | None:
    """The file in the cache, or None where the repository has none of that name."""
    for _ in range(2):
        try:
            path = Path(hf_hub_download(repo, file, revision=revision))
        except RemoteEntryNotFoundError:
            return None
        if _is_sound(path):
            return path
        for broken in (path.resolve(), path):  # once more: it may have lain in the cache for long
            broken.unlink(missing_ok=True)
    raise FailedError(f"{file} of {repo} arrives broken (its sha256 is not the one that {constants.ENDPOINT} names): try again")


def _is_sound(path: Path) -> bool:
    """Whether a large file's bytes have the sha256 that its blob in the cache is named after."""
    blob = path.readlink().name if path.is_symlink() else ""
    if not re.fullmatch("[0-9a-f]{64}", blob):
        return True  # a small file, or a disk without links: the client has compared sizes
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == blob


def _told(error: Exception, repo: str, revision: str | None) -> NetwrightError:
    """One line that says why a repository cannot be had, and the way out."""
    hub = constants.ENDPOINT
    if isinstance(error, LocalEntryNotFoundError) and isinstance(error.__cause__, Exception):
        error = error.__cause__  # what really happened, before the client looked into its cache
    if isinstance(error, HFValidationError):
        return NetwrightError(f"{repo!r} cannot be a repository of the hub: expected owner/name, as in timm/resnet50.a1_in1k")
    if isinstance(error, GatedRepoError):
        return NetwrightError(f"{repo} is gated: accept its terms at {hub}/{repo} and set HF_TOKEN, or run `hf auth login`")
    if isinstance(error, RepositoryNotFoundError):
        return NetwrightError(f"{hub} has no repository {repo}, or it is private: check the name, or set HF_TOKEN to see it")
    if isinstance(error, RevisionNotFoundError):
        return NetwrightError(f"{repo} has no revision {revision!r}: leave out the @ and what follows for its newest")
    if isinstance(error, OfflineModeIsEnabled):
        return FailedError(
            f"HF_HUB_OFFLINE is set and {repo} is not in the cache {constants.HF_HUB_CACHE}: unset it once, or give a file"
        )
    if isinstance(error, FileMetadataError):
        return FailedError(f"what answers at {hub} is not the hub: check the network, its proxy, and HF_ENDPOINT if it is set")
    if isinstance(error, HfHubHTTPError):
        return _answered(error.response.status_code, repo)
    if isinstance(error, OSError) and error.errno:
        where = f"the cache {constants.HF_HUB_CACHE}"
        return FailedError(f"cannot write to {where}: {error.strerror}; make room, or set HF_HOME to another folder")
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return FailedError(f"cannot fetch {repo} from {hub} ({reason}): check the network and try again, or give a file")


def _answered(status: int, repo: str) -> NetwrightError:
    answer = f"{constants.ENDPOINT} answers {status} when asked for {repo}"
    if status in (401, 403):
        return NetwrightError(f"{answer}: check HF_TOKEN, or run `hf auth login`")
    if status == 404:
        return NetwrightError(f"{answer}: check the name, and HF_ENDPOINT if it is set")
    return FailedError(f"{answer}: try again later")
