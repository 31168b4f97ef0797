"""Rows that had better not be trained on: in the test prompts, asked before, cut off, or empty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from polypaca.data.contamination import find
from polypaca.data.duplicates import find_duplicates
from polypaca.data.entities import entities
from polypaca.data.placeholders import is_placeholder
from polypaca.data.truncation import looks_truncated

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from polypaca.data.contamination import ContaminationIndex, Match
    from polypaca.data.instructions import Item

Policy = Literal["keep", "flag", "drop"]
Kind = Literal["contaminated", "duplicate", "truncated", "placeholder", "entities"]


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
    policies: Mapping[Kind, Policy],
) -> Iterator[Finding]:
    """Everything to say of the rows; what the study keeps is not looked for.

    Args:
        items: the rows by language.
        prompts: the test prompts, of all languages; None where nothing is compared with them.
        policies: what to do with rows that match a test prompt (`contaminated`), ask what an
            earlier one asks (`duplicate`), have an output that ends in mid-sentence (`truncated`),
            an instruction or output that only says that there is none (`placeholder`), or HTML
            entities in their texts (`entities`). Under `keep` they are not looked for.
    """
    looked_for = {kind for kind, policy in policies.items() if policy != "keep"}
    for language, rows in items.items():
        if "contaminated" in looked_for and prompts is not None:
            yield from _contaminated(rows, language, prompts)
        if "duplicate" in looked_for:
            asked = ((row.source, row.instruction, row.input) for row in rows)
            for source, first in find_duplicates(asked).items():
                yield Finding(source, language, "duplicate", f"asks what {first} asks")
        for row in rows:
            yield from _of_texts(row, language, looked_for)


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


def _of_texts(row: Item, language: str, looked_for: Collection[Kind]) -> Iterator[Finding]:
    if "truncated" in looked_for and looks_truncated(row.output, language):
        yield Finding(row.source, language, "truncated", "seems to be cut off")
    if "placeholder" in looked_for:
        for name, text in (("instruction", row.instruction), ("output", row.output)):
            if is_placeholder(text):
                reason = f"says {text.strip()!r} as its {name}"
                yield Finding(row.source, language, "placeholder", reason)
    if "entities" in looked_for:
        found = dict.fromkeys(entity for text in row.texts() for entity in entities(text))
        if found:
            shown = ", ".join(list(found)[:3])
            yield Finding(row.source, language, "entities", f"holds HTML entities ({shown})")


def _contaminated(
    rows: Sequence[Item], language: str, prompts: ContaminationIndex
) -> Iterator[Finding]:
    for row in rows:
        match = find(prompts, row.instruction, row.input, row.output)
        if match is not None:
            yield Finding(row.source, language, "contaminated", in_words(match))
