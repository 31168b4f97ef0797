"""Rows that had better not be trained on: in the test prompts, asked before, cut off, or empty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from polypaca.data.contamination import find_match
from polypaca.data.duplicates import find_duplicates
from polypaca.data.entities import find_entities
from polypaca.data.placeholders import is_placeholder
from polypaca.data.truncation import looks_truncated

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from polypaca.data.contamination import ContaminationIndex, PromptMatch
    from polypaca.data.instructions import UnsplitExample

Policy = Literal["keep", "flag", "drop"]
FindingKind = Literal["contaminated", "duplicate", "truncated", "placeholder", "entities"]


@dataclass(frozen=True)
class Finding:
    """What was noticed of one row."""

    source: str
    language: str
    kind: FindingKind
    reason: str


def screen_rows(
    items: Mapping[str, Sequence[UnsplitExample]],
    prompts: ContaminationIndex | None,
    policies: Mapping[FindingKind, Policy],
) -> Iterator[Finding]:
    """Everything to say of the rows; what the study keeps is not looked for.

    Args:
        items: the rows by language.
        prompts: the test prompts, of all languages; None where nothing is compared with them.
        policies: what to do with rows that match a test prompt (`contaminated`), ask what an
            earlier one asks (`duplicate`), have an output that ends in mid-sentence (`truncated`),
            an instruction or output that only says that there is none (`placeholder`), or HTML
            entities in their texts (`find_entities`). Under `keep` they are not looked for.
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


def dropped_sources(
    findings: Iterable[Finding], policies: Mapping[FindingKind, Policy]
) -> dict[str, str]:
    """The sources to drop in every language, each with its first reason."""
    dropped: dict[str, str] = {}
    for finding in findings:
        if policies[finding.kind] == "drop":
            reason = f"{finding.kind}: in {finding.language}, it {finding.reason}"
            dropped.setdefault(finding.source, reason)
    return dropped


def describe_match(match: PromptMatch) -> str:
    """A match with a test prompt as the reason of a rejection."""
    verbs = {"exact": "is", "contained": "holds", "overlap": f"holds {100 * match.share:.0f} % of"}
    return f"{verbs[match.kind]} test prompt {match.prompt_id} ({match.language})"


def _of_texts(
    row: UnsplitExample, language: str, looked_for: Collection[FindingKind]
) -> Iterator[Finding]:
    if "truncated" in looked_for and looks_truncated(row.output, language):
        yield Finding(row.source, language, "truncated", "seems to be cut off")
    if "placeholder" in looked_for:
        for name, text in (("instruction", row.instruction), ("output", row.output)):
            if is_placeholder(text):
                reason = f"says {text.strip()!r} as its {name}"
                yield Finding(row.source, language, "placeholder", reason)
    if "entities" in looked_for:
        entities = dict.fromkeys(entity for text in row.texts() for entity in find_entities(text))
        if entities:
            few = ", ".join(list(entities)[:3])
            yield Finding(row.source, language, "entities", f"holds HTML entities ({few})")


def _contaminated(
    rows: Sequence[UnsplitExample], language: str, prompts: ContaminationIndex
) -> Iterator[Finding]:
    for row in rows:
        match = find_match(prompts, row.instruction, row.input, row.output)
        if match is not None:
            yield Finding(row.source, language, "contaminated", describe_match(match))
