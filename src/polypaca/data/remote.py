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
class _Job:
    """One file to fetch."""

    url: str
    shown: str  # the URL as messages may show it
    sha256: str
    target: Path
    part: Path  # what has arrived so far


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
        raise UserError(f"{sha256!r} is no SHA-256: it must be 64 hex digits (run sha256sum FILE)")
    shown = _checked_url(url)
    name = _file_name(url)
    folder = cache / "downloads" / sha256
    job = _Job(url, shown, sha256, folder / name, folder / f".{name}.part")
    if _is_right(job.target, sha256):
        return job.target
    try:
        private_folder(folder)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UserError(f"{folder}: the cache cannot be written: {error.strerror}") from error
    with locked(job.target, lambda: progress(0.0, "waiting for another process that downloads it")):
        # Whoever held the lock before may have fetched it.
        if not _is_right(job.target, sha256):
            if job.target.exists():
                set_aside(job.target, [], "it is downloaded again")
            _fetch_and_check(job, progress, first_wait)
    return job.target


def hub_rows(name: str, language: str) -> list[dict[str, Any]]:
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
        raise UserError(f"hf:{name} cannot be loaded: {type(error).__name__}: {reason}") from error


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
        raise UserError("the URL of a file is not one (a wrong port or bracket)") from error
    if not host:
        # Shown without what stands before an @: it may be a password.
        harmless = url.partition("?")[0].rpartition("@")[2]
        raise UserError(f"{harmless!r} is no http or https URL")
    where = f"[{host}]" if ":" in host else host
    shown = f"{parts.scheme}://{where}{f':{port}' if port else ''}{parts.path}"
    if parts.scheme not in ("http", "https"):
        raise UserError(f"{shown}: only http and https URLs are fetched")
    if secret:
        raise UserError(f"{shown}: a URL with a user name or password in it is not fetched")
    return shown


def _file_name(url: str) -> str:
    """A safe file name that keeps the suffix, which tells the format."""
    name = PurePosixPath(unquote(urlsplit(url).path)).name
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name)[-100:].lstrip(".") or "file"


def _is_right(path: Path, sha256: str) -> bool:
    return path.is_file() and sha256_file(path) == sha256


def _fetch_and_check(job: _Job, progress: Progress, first_wait: float) -> None:
    had = job.part.exists()
    if not _is_right(job.part, job.sha256):
        _fetch(job, progress, first_wait)
        if had and not _is_right(job.part, job.sha256):
            # The old part may have been of another version of the file.
            job.part.unlink()
            _fetch(job, progress, first_wait)
    got = sha256_file(job.part)
    if got != job.sha256:
        size = job.part.stat().st_size
        job.part.unlink()
        raise DataError(
            f"the file has another SHA-256 than expected: expected {job.sha256}, "
            f"got {got} ({size} bytes)",
            path=job.shown,
            hint="see whether the URL is right; if the file was changed on purpose, look at it "
            "and give its new SHA-256",
        )
    job.part.replace(job.target)


def _fetch(job: _Job, progress: Progress, first_wait: float) -> None:
    """Bring the whole file into `job.part`, in several attempts if need be."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _attempt(job, progress)
        except _ConnectionBrokenError as error:
            if attempt == ATTEMPTS:
                raise UserError(
                    f"{job.shown}: cannot be downloaded: {error} (tried {ATTEMPTS} times; see "
                    "whether this machine is online, and run again: what has arrived is kept)"
                ) from error
            wait = first_wait * 2 ** (attempt - 1)
            progress(0.0, f"{job.target.name}: {error}; next attempt in {wait:.0f} s")
            time.sleep(wait)
        else:
            return


def _attempt(job: _Job, progress: Progress) -> None:
    start = job.part.stat().st_size if job.part.exists() else 0
    response = _ask(job, start)
    with response:
        if response.status == _PARTIAL and not _continues(response, start):
            job.part.unlink(missing_ok=True)
            raise _ConnectionBrokenError("the server sent another part than was asked for")
        resumed = response.status == _PARTIAL
        _receive(job, response, start if resumed else 0, progress)


def _ask(job: _Job, start: int) -> Any:
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
            job.part.unlink()
            raise _ConnectionBrokenError("the part that was here does not fit the file") from error
        answer = f"the server answers {error.code} {http.client.responses.get(error.code, '')}"
        if error.code >= 500 or error.code == _TOO_MANY_REQUESTS:
            raise _ConnectionBrokenError(answer.rstrip()) from error
        raise UserError(f"{job.shown}: cannot be downloaded: {_explained(error.code)}") from error
    except urllib.error.URLError as error:
        raise _why_not(job, error.reason) from error
    except (OSError, UnicodeError, http.client.HTTPException) as error:
        raise _why_not(job, error) from error


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


def _explained(code: int) -> str:
    answer = f"the server answers {code} {http.client.responses.get(code, '')}".rstrip()
    if 300 <= code < 400:
        return f"{answer} and leads round in a circle or to what is not http or https"
    if code in (401, 403):
        return f"{answer}: it wants credentials, which polypaca does not send"
    return f"{answer}: see whether the URL is right"


def _why_not(job: _Job, reason: Any) -> Exception:
    """What to raise for a connection that did not come about or broke.

    Only the kind of a failure is told where its text may repeat the URL.
    """
    hopeless = isinstance(
        reason, str | UnicodeError | http.client.InvalidURL | ssl.SSLCertVerificationError
    )
    if isinstance(reason, OSError):
        text = reason.strerror or str(reason) or type(reason).__name__
    else:
        text = "it leads to what is no http or https URL" if hopeless else type(reason).__name__
    if hopeless:
        return UserError(f"{job.shown}: cannot be downloaded: {text}")
    return _ConnectionBrokenError(text)


def _continues(response: Any, start: int) -> bool:
    match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
    return match is not None and int(match[1]) == start


def _receive(job: _Job, response: Any, start: int, progress: Progress) -> None:
    """Append the answer to the part, or begin it anew where `start` is 0."""
    length = response.headers.get("Content-Length", "")
    end = start + int(length) if length.isdecimal() else None
    done = start
    how = "ab" if start else "wb"
    with _writing(job), writing(job.part), job.part.open(how) as file:
        while chunk := _chunk(response):
            file.write(chunk)
            done += len(chunk)
            of = f" of {end / 1e6:.1f}" if end else ""
            progress(done / end if end else 0.0, f"{job.target.name}: {done / 1e6:.1f}{of} MB")
    if end is not None and done < end:
        raise _ConnectionBrokenError(f"the connection broke off after {done} of {end} bytes")


@contextmanager
def _writing(job: _Job) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StageError(f"{job.part}: cannot be written: {error.strerror}") from error


def _chunk(response: Any) -> bytes:
    try:
        return bytes(response.read(_CHUNK))
    except (OSError, http.client.HTTPException) as error:
        text = getattr(error, "strerror", None) or type(error).__name__
        raise _ConnectionBrokenError(f"the connection broke: {text}") from error
