"""Rows that had better not be trained on: in the test prompts, asked before, or cut off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from polypaca.data.contamination import find
from polypaca.data.duplicates import find_duplicates
from polypaca.data.truncation import looks_truncated

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from polypaca.data.contamination import ContaminationIndex, Match
    from polypaca.data.instructions import Item

Policy = Literal["keep", "flag", "drop"]
Kind = Literal["contaminated", "duplicate", "truncated"]


@dataclass(frozen=True)
class Finding:
    """What was noticed of one row."""

    source: str
    language: str
    kind: Kind
    reason: str


def findings(
    items: Mapping[str, Sequence[Item]],
    prompts: ContaminationIndex | None,
    *,
    contaminated: Policy,
    duplicates: Policy,
    truncated: Policy,
) -> Iterator[Finding]:
    """Everything to say of the rows; what the study keeps is not looked for.

    Args:
        items: the rows by language.
        prompts: the test prompts, of all languages; None where nothing is compared with them.
        contaminated: `keep` does not look for rows that match a test prompt.
        duplicates: `keep` does not look for rows that ask what an earlier one asks.
        truncated: `keep` does not look for outputs that end in mid-sentence.
    """
    for language, rows in items.items():
        if contaminated != "keep" and prompts is not None:
            yield from _contaminated(rows, language, prompts)
        if duplicates != "keep":
            asked = ((row.source, row.instruction, row.input, row.output) for row in rows)
            for source, first in find_duplicates(asked).items():
                yield Finding(source, language, "duplicate", f"asks what {first} asks")
        if truncated != "keep":
            for row in rows:
                if looks_truncated(row.output, language):
                    yield Finding(row.source, language, "truncated", "seems to be cut off")


def dropped_sources(found: Iterable[Finding], policies: Mapping[Kind, Policy]) -> dict[str, str]:
    """The sources to drop in every language, each with its first reason."""
    dropped: dict[str, str] = {}
    for finding in found:
        if policies[finding.kind] == "drop":
            reason = f"{finding.kind}: in {finding.language}, it {finding.reason}"
            dropped.setdefault(finding.source, reason)
    return dropped


def in_words(match: Match) -> str:
    """A match with a test prompt as the reason of a rejection."""
    how = {"exact": "is", "contained": "holds", "overlap": f"holds {100 * match.share:.0f} % of"}
    return f"{how[match.kind]} test prompt {match.prompt_id} ({match.language})"


def _contaminated(
    rows: Sequence[Item], language: str, prompts: ContaminationIndex
) -> Iterator[Finding]:
    for row in rows:
        match = find(prompts, row.instruction, row.input, row.output)
        if match is not None:
            yield Finding(row.source, language, "contaminated", in_words(match))
