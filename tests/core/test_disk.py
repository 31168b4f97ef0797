from __future__ import annotations

import errno
import os
import resource
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from polypaca.core.disk import disk_full_now, full_disk_message
from polypaca.core.files import write_text


def _python(path: Path) -> None:
    write_text(path, "x" * 2**20)


def _numpy(path: Path) -> None:
    import numpy as np

    np.save(path, np.zeros(2**20))


def _torch(path: Path) -> None:
    import torch

    torch.save({"weights": torch.zeros(2**20)}, path)


def _safetensors(path: Path) -> None:
    import torch
    from safetensors.torch import save_file

    save_file({"weights": torch.zeros(2**20)}, path)


def _sqlite(path: Path) -> None:
    with sqlite3.connect(path) as base:
        base.execute("create table t (x blob)")
        base.execute("insert into t values (zeroblob(1048576))")


WRITERS = [_python, _numpy, _torch, _safetensors, _sqlite]


@pytest.mark.parametrize("write", WRITERS)
def test_a_full_disk_is_called_that_whoever_meets_it(
    write: Callable[[Path], None], small_disk: Path, tmp_path: Path
) -> None:
    with pytest.raises(Exception) as raised:  # noqa: PT011 (each library raises its own)
        write(small_disk / "file")
    # A stage wraps what it met in an error of its own.
    stage = RuntimeError("the stage failed")
    stage.__cause__ = raised.value
    words = full_disk_message(stage, [tmp_path, small_disk])
    assert words is not None
    assert words.startswith(f"the disk is full: {small_disk}")
    assert "of 512.0 KiB are free now" in words
    assert "run again: what is done is kept" in words


def test_a_full_disk_is_found_without_an_error_too(small_disk: Path, tmp_path: Path) -> None:
    assert disk_full_now([tmp_path, small_disk, tmp_path / "not" / "there"]) is None
    with pytest.raises(OSError, match="No space left"):
        (small_disk / "all of it").write_bytes(bytes(2**20))
    found = disk_full_now([tmp_path, small_disk / "out" / "not there yet"])
    assert found is not None
    assert f"{small_disk} cannot be written (0 bytes of 512.0 KiB are free now)" in found
    assert list(small_disk.iterdir()) == [small_disk / "all of it"]


def test_a_disk_can_be_full_of_files(small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,nr_inodes=20", str(small_disk)], check=True)
    with pytest.raises(OSError, match="No space left") as raised:
        for number in range(30):
            (small_disk / str(number)).touch()
    words = full_disk_message(raised.value, [small_disk])
    assert words is not None
    assert "(it can hold no more files)" in words


def test_what_cannot_be_written_to_a_device_has_its_name() -> None:
    with pytest.raises(OSError, match="No space left") as raised:
        Path("/dev/full").write_text("x")
    words = full_disk_message(raised.value, [Path("/dev")])
    assert words is not None
    assert "the disk is full: /dev" in words


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(errno.EDQUOT, "Disk quota exceeded", "/x/y"), "the disk quota is used up: /x/y"),
        (RuntimeError("I/O error: Disk quota exceeded (os error 122)"), "quota is used up"),
        (OSError(errno.EFBIG, "File too large"), "`ulimit -f`"),
        (ValueError("no space left, on the page"), None),
        (OSError(errno.EACCES, "Permission denied"), None),
        # A failed write on a disk with room has another cause.
        (RuntimeError("PytorchStreamWriter failed writing file data/0"), None),
    ],
)
def test_quotas_and_limits_have_words_of_their_own(
    error: Exception, expected: str | None, tmp_path: Path
) -> None:
    words = full_disk_message(error, [tmp_path])
    assert words is None if expected is None else expected in str(words)


LIMITED = """
import sys
from pathlib import Path
from polypaca.core.disk import full_disk_message
from polypaca.core.files import write_text
try:
    write_text(Path(sys.argv[1]), "x" * 100_000)
except OSError as error:
    print(full_disk_message(error, [Path(sys.argv[1])]))
"""


def test_a_limit_on_the_size_of_files_is_met_for_real(tmp_path: Path) -> None:
    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    arguments: list[Any] = [sys.executable, "-c", LIMITED, tmp_path / "file"]
    result = subprocess.run(
        arguments, capture_output=True, text=True, check=True, preexec_fn=limit, env=os.environ
    )
    assert f"`ulimit -f`, allows: {tmp_path / 'file'} cannot be written" in result.stdout
    assert not (tmp_path / "file").exists()
