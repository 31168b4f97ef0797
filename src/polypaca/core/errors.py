"""The errors that polypaca raises on purpose.

    PolypacaError            exit code 1: a stage failed
    ├── StageError           a job could not finish; the message says why
    └── UserError            exit code 2: the input is wrong, and the message says how to mend it
        ├── StudyError       one or more problems of a study file, reported together
        ├── DataError        a row, field or file of the user's data
        └── MissingExtraError  an optional dependency; names the pip install line

Anything else that escapes is a bug of polypaca and shows a traceback.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class PolypacaError(Exception):
    """Base of all errors raised on purpose; `exit_code` is what the command line returns."""

    exit_code = 1


class StageError(PolypacaError):
    """A stage or job failed for a reason that is not the user's input."""


class UserError(PolypacaError):
    """The user's input is wrong."""

    exit_code = 2


@dataclass(frozen=True)
class Problem:
    """One thing wrong in a file: where it is, what it is, and what to do next."""

    where: str
    what: str
    hint: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" + (f" ({self.hint})" if self.hint else "")


class StudyError(UserError):
    """All problems of one study file, reported together."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class DataError(UserError):
    """A row or file of data that cannot be used as it is."""

    def __init__(
        self,
        what: str,
        *,
        path: Path | str | None = None,
        line: int | None = None,
        field: str | None = None,
        hint: str = "",
    ) -> None:
        self.what, self.path, self.line, self.field = what, path, line, field
        where = ":".join(str(part) for part in (path, line) if part is not None)
        where = ", ".join(part for part in (where, f"field {field}" if field else "") if part)
        super().__init__((f"{where}: " if where else "") + what + (f" ({hint})" if hint else ""))


class MissingExtraError(UserError):
    """An optional dependency is not installed."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs an optional package: pip install 'polypaca[{extra}]'")


def first_line(error: BaseException) -> str:
    """What an error says first: libraries go on for a page."""
    return str(error).strip().split("\n")[0]
