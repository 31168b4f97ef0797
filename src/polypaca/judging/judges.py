"""The table of judges.

To add one, write a factory in a file of its own and give it a row; the contract test in
`tests/judging/test_judges.py` then covers it.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from polypaca.core.errors import UserError
from polypaca.judging import llm, none, reference

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from polypaca.judging.contract import Judge


@dataclass(frozen=True)
class JudgeSpec:
    """A row.

    Attributes:
        summary: what the judge is.
        make: `make(cache=..., **settings)` gives the judge; the settings are its own.
        needs_references: whether every prompt must come with a reference.
        asks_server: whether judging sends the answers to a server.
    """

    summary: str
    make: Callable[..., Judge]
    needs_references: bool = False
    asks_server: bool = False


JUDGES: dict[str, JudgeSpec] = {
    "none": JudgeSpec("no ratings: gate pass rates alone", none.make),
    "reference": JudgeSpec(
        "chrF++ against the parallel reference in the language of the answer",
        reference.make,
        needs_references=True,
    ),
    "llm": JudgeSpec("a served model with the paper's prompt", llm.make, asks_server=True),
}


def load(kind: str, *, cache: Path | None = None, **settings: Any) -> Judge:
    """Make the judge of that kind.

    Args:
        kind: a name of the table.
        cache: a folder in which a judge may keep what it need not ask twice.
        settings: the judge's own settings, as its `make` takes them.

    Raises:
        UserError: if there is no such judge, or its settings are wrong.
    """
    if kind in JUDGES:
        return JUDGES[kind].make(cache=cache, **settings)
    near = difflib.get_close_matches(kind, JUDGES, n=3, cutoff=0.5)
    hint = f"did you mean {', '.join(near)}?" if near else f"there are: {', '.join(JUDGES)}"
    raise UserError(f"no judge is called {kind!r}; {hint}")
