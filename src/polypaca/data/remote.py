"""Data from elsewhere: files behind a URL, kept by their SHA-256, and data sets of the Hub."""

from __future__ import annotations

import http.client
import re
import ssl
import tempfile
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

from polypaca.core.cache import locked, private_folder, set_aside
from polypaca.core.disk import writing
from polypaca.core.errors import DataError, StageError, UserError, first_line
from polypaca.core.files import sha256_file
from polypaca.data.patterns import PLACEHOLDER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Progress = Callable[[float, str], None]

ATTEMPTS = 5
_TIMEOUT = 60.0  # seconds without a byte
_CHUNK = 1 << 18  # bytes
_PARTIAL, _RANGE_NOT_SATISFIABLE, _TOO_MANY_REQUESTS = 206, 416, 429
_SHA256 = re.compile(r"[0-9a-f]{64}")
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(?:\d+|\*)")


@dataclass(frozen=True)
class _Download:
    """One file to fetch."""

    url: str
    display_url: str  # the URL as messages may show it
    sha256: str
    target: Path
    partial: Path  # what has arrived so far


class _ConnectionBrokenError(Exception):
    """Worth another try; the message is the reason."""


def download(
    url: str, sha256: str, cache: Path, progress: Progress, *, first_wait: float = 1.0
) -> Path:
    """The file behind a URL, fetched once and checked.

    The file stands in `cache/downloads/<sha256>/` under the URL's last name. If it is there and
    right, nothing is asked of the network. A download that broke off is taken up where the server
    allows it. Several processes may ask at once: one fetches, the others wait.

    Args:
        url: http or https, without a user name or password.
        sha256: the file's SHA-256, 64 hex digits.
        cache: a folder that survives the run.
        progress: called with the share that has arrived (0..1; 0 where the size is not known) and
            what is going on.
        first_wait: seconds before the second of 5 attempts; each later wait is twice as long.

    Raises:
        UserError: if the URL or the hash is not one, the server refuses or cannot be reached, or
            the cache cannot be written. Names the URL without its query.
        DataError: if what came has another hash.
        StageError: if the disk is full or fails while writing.
    """
    sha256 = sha256.lower()
    if not _SHA256.fullmatch(sha256):
        raise UserError(f"{sha256!r} is not a SHA-256 of 64 hex digits (run `sha256sum FILE`)")
    display_url = _checked_url(url)
    name = _file_name(url)
    folder = cache / "downloads" / sha256
    job = _Download(url, display_url, sha256, folder / name, folder / f".{name}.part")
    if _has_hash(job.target, sha256):
        return job.target
    try:
        private_folder(folder)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UserError(f"cannot write to the cache {folder}: {error.strerror}") from error
    with locked(job.target, lambda: progress(0.0, "waiting for another process to download it")):
        # Whoever held the lock before may have fetched it.
        if not _has_hash(job.target, sha256):
            if job.target.exists():
                set_aside(job.target, [], "it will be downloaded again")
            _fetch_and_check(job, progress, first_wait)
    return job.target


def load_hub_rows(name: str, language: str) -> list[dict[str, Any]]:
    """The rows of the split `train` of a data set of the Hugging Face Hub.

    Args:
        name: the data set's name, with `{language}` where the language's code stands.
        language: the code.

    Raises:
        UserError: if it cannot be loaded: no such data set, no such split, no network.
    """
    from datasets import load_dataset

    name = name.replace(PLACEHOLDER, language)
    try:
        return [dict(row) for row in load_dataset(name, split="train")]
    except Exception as error:  # the library raises a dozen kinds for one cause
        reason = first_line(error)
        raise UserError(f"cannot load hf:{name}: {type(error).__name__}: {reason}") from error


def _checked_url(url: str) -> str:
    """The URL as messages may show it: what stands behind a `?` is often a key.

    Raises:
        UserError: if it cannot be fetched from.
    """
    try:
        parts = urlsplit(url)
        host, secret = parts.hostname, parts.username is not None or parts.password is not None
        port = parts.port
    except ValueError as error:
        raise UserError("the URL of a file is invalid (its port or a bracket is wrong)") from error
    if not host:
        # Shown without what stands before an @: it may be a password.
        harmless = url.partition("?")[0].rpartition("@")[2]
        raise UserError(f"{harmless!r} is not an http or https URL")
    host_part = f"[{host}]" if ":" in host else host
    display_url = f"{parts.scheme}://{host_part}{f':{port}' if port else ''}{parts.path}"
    if parts.scheme not in ("http", "https"):
        raise UserError(f"{display_url}: only http and https URLs are supported")
    if secret:
        raise UserError(f"{display_url}: URLs with a user name or password are not supported")
    return display_url


def _file_name(url: str) -> str:
    """A safe file name that keeps the suffix, which tells the format."""
    name = PurePosixPath(unquote(urlsplit(url).path)).name
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name)[-100:].lstrip(".") or "file"


def _has_hash(path: Path, sha256: str) -> bool:
    return path.is_file() and sha256_file(path) == sha256


def _fetch_and_check(job: _Download, progress: Progress, first_wait: float) -> None:
    resumed = job.partial.exists()
    if not _has_hash(job.partial, job.sha256):
        _fetch(job, progress, first_wait)
        if resumed and not _has_hash(job.partial, job.sha256):
            # The old part may have been of another version of the file.
            job.partial.unlink()
            _fetch(job, progress, first_wait)
    actual = sha256_file(job.partial)
    if actual != job.sha256:
        size = job.partial.stat().st_size
        job.partial.unlink()
        raise DataError(
            f"the file's SHA-256 does not match: expected {job.sha256}, "
            f"got {actual} ({size} bytes)",
            path=job.display_url,
            hint="check the URL; if the file was changed on purpose, update its SHA-256",
        )
    job.partial.replace(job.target)


def _fetch(job: _Download, progress: Progress, first_wait: float) -> None:
    """Bring the whole file into `job.partial`, in several attempts if need be."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _attempt(job, progress)
        except _ConnectionBrokenError as error:
            if attempt == ATTEMPTS:
                raise UserError(
                    f"cannot download {job.display_url}: {error} (tried {ATTEMPTS} times; check "
                    "the network and run again: what has arrived is kept)"
                ) from error
            wait = first_wait * 2 ** (attempt - 1)
            progress(0.0, f"{job.target.name}: {error}; next attempt in {wait:.0f} s")
            time.sleep(wait)
        else:
            return


def _attempt(job: _Download, progress: Progress) -> None:
    start = job.partial.stat().st_size if job.partial.exists() else 0
    response = _open(job, start)
    with response:
        if response.status == _PARTIAL and not _continues(response, start):
            job.partial.unlink(missing_ok=True)
            raise _ConnectionBrokenError("the server sent a different range than requested")
        resumed = response.status == _PARTIAL
        _save(job, response, start if resumed else 0, progress)


def _open(job: _Download, start: int) -> Any:
    """The server's answer to a request for all bytes from `start` on."""
    headers = {"User-Agent": "polypaca", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    # Characters that a URL cannot hold are escaped; what is escaped already stays.
    url = quote(job.url, safe="%/:?#[]@!$&'()*+,;=~")
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 (the scheme was checked)
    try:
        return _opener().open(request, timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == _RANGE_NOT_SATISFIABLE and start:
            # The part is as long as the file or longer, and yet not right.
            job.partial.unlink()
            raise _ConnectionBrokenError("the partial download does not match the file") from error
        answer = f"the server answered {error.code} {http.client.responses.get(error.code, '')}"
        if error.code >= 500 or error.code == _TOO_MANY_REQUESTS:
            raise _ConnectionBrokenError(answer.rstrip()) from error
        raise UserError(
            f"cannot download {job.display_url}: {_describe_status(error.code)}"
        ) from error
    except urllib.error.URLError as error:
        raise _connection_error(job, error.reason) from error
    except (OSError, UnicodeError, http.client.HTTPException) as error:
        raise _connection_error(job, error) from error


def _opener() -> urllib.request.OpenerDirector:
    """Urllib's own opener can also read files and FTP, and would follow a redirect there."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    return opener


def _describe_status(code: int) -> str:
    answer = f"the server answered {code} {http.client.responses.get(code, '')}".rstrip()
    if 300 <= code < 400:
        return f"{answer} and redirects in a loop or to a URL that is not http or https"
    if code in (401, 403):
        return f"{answer}: it requires credentials, which polypaca does not send"
    return f"{answer}: check the URL"


def _connection_error(job: _Download, reason: Any) -> Exception:
    """What to raise for a connection that did not come about or broke.

    Only the kind of a failure is told where its text may repeat the URL.
    """
    hopeless = isinstance(
        reason, str | UnicodeError | http.client.InvalidURL | ssl.SSLCertVerificationError
    )
    if isinstance(reason, OSError):
        text = reason.strerror or str(reason) or type(reason).__name__
    else:
        text = "it redirects to a URL that is not http(s)" if hopeless else type(reason).__name__
    if hopeless:
        return UserError(f"cannot download {job.display_url}: {text}")
    return _ConnectionBrokenError(text)


def _continues(response: Any, start: int) -> bool:
    match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
    return match is not None and int(match[1]) == start


def _save(job: _Download, response: Any, start: int, progress: Progress) -> None:
    """Append the answer to the part, or begin it anew where `start` is 0."""
    length = response.headers.get("Content-Length", "")
    end = start + int(length) if length.isdecimal() else None
    done = start
    mode = "ab" if start else "wb"
    with _write_errors(job), writing(job.partial), job.partial.open(mode) as file:
        while chunk := _read_chunk(response):
            file.write(chunk)
            done += len(chunk)
            of = f" of {end / 1e6:.1f}" if end else ""
            progress(done / end if end else 0.0, f"{job.target.name}: {done / 1e6:.1f}{of} MB")
    if end is not None and done < end:
        raise _ConnectionBrokenError(f"the connection was lost after {done} of {end} bytes")


@contextmanager
def _write_errors(job: _Download) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StageError(f"cannot write {job.partial}: {error.strerror}") from error


def _read_chunk(response: Any) -> bytes:
    try:
        return bytes(response.read(_CHUNK))
    except (OSError, http.client.HTTPException) as error:
        text = getattr(error, "strerror", None) or type(error).__name__
        raise _ConnectionBrokenError(f"the connection was lost: {text}") from error
