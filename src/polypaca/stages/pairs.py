"""judge, in pairs: which of two recipes' answers to one prompt the judge prefers.

    pairs/<model>.<method>.<recipe>-vs-<recipe>.s<seed>/   pairs.jsonl

A scale of three points saturates where answers are good; a preference does not. Each pair is asked
in both orders.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from polypaca.core.errors import StageError
from polypaca.core.files import read_jsonl, write_jsonl
from polypaca.core.missing import TOLERATED, Missing, Wanted, missing_facts, missing_words
from polypaca.core.records import Response
from polypaca.data.prompts import by_id, references
from polypaca.judging import pairwise
from polypaca.judging.contract import PairItem
from polypaca.judging.llm import LlmJudgeSettings
from polypaca.models.bases import cache_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from polypaca.core.records import PairVerdict


@dataclass(frozen=True)
class Part:
    """The folder of one pair of recipes, and what it is made from."""

    folder: Path
    prompts: Path
    responses: Mapping[str, Path]  # by system
    systems: Mapping[str, Sequence[str]]  # by language: who answers for the first, and the second
    judge: Mapping[str, Any]  # the judge's own settings
    how: Mapping[str, Any] = field(default_factory=dict)  # settings that affect no verdict
    account: Path | None = None  # where it is kept what served judges were asked
    missing: float = TOLERATED  # share of comparisons that may fail


def pairs(
    parts: Sequence[Part], *, threads: int = 1, progress: Callable[[int, float, str], None]
) -> Iterator[tuple[int, dict[str, Any] | Exception]]:
    """Compare the answers of all parts; yields each part's facts, or the error that it has.

    A study has one judge of pairs. As with ratings, a few failures are kept and tried again by the
    next run.
    """
    first = parts[0]
    settings = LlmJudgeSettings(**{"prompt": "default", **first.judge, **first.how})
    chosen = pairwise.load(settings, cache=cache_folder() / "llm", account=first.account)
    items = [_items(part) for part in parts]
    total = sum(len(own) for own in items)

    def compared(done: int) -> None:
        progress(0, done / max(1, total), f"{done}/{total} compared")

    verdicts = chosen.compare([item for own in items for item in own], compared)
    for index, own in enumerate(items):
        found = list(islice(verdicts, len(own)))
        write_jsonl(parts[index].folder / "pairs.jsonl", found)
        yield index, _outcome(found, chosen.signature, first.missing)


def _items(part: Part) -> list[PairItem]:
    asked = by_id(part.prompts)
    answers = {
        system: {
            (answer.language, answer.prompt_id): answer.response
            for answer in read_jsonl(folder / "responses.jsonl", Response)
        }
        for system, folder in part.responses.items()
    }
    items = []
    for language, (a, b) in part.systems.items():
        for prompt_id, prompts in asked.items():
            key = (language, prompt_id)
            if language in prompts and key in answers[a] and key in answers[b]:
                items.append(
                    PairItem(
                        system_a=a,
                        system_b=b,
                        prompt_id=prompt_id,
                        language=language,
                        prompt=prompts[language].prompt,
                        response_a=answers[a][key],
                        response_b=answers[b][key],
                        references=references(prompts),
                    )
                )
    return items


def _outcome(
    verdicts: Sequence[PairVerdict], signature: str, tolerated: float
) -> dict[str, Any] | Exception:
    missing = [
        Missing("; ".join(v.explanations), v.lasting) for v in verdicts if v.status == "failed"
    ]
    wanted = Wanted("comparisons failed", len(verdicts), "judge.missing")
    thoughts = sum(verdict.thoughts for verdict in verdicts)
    summary = f"{len(verdicts)} comparisons{missing_words(missing, 'failed')}"
    summary += f"; thoughts left out of {thoughts}" if thoughts else ""
    facts = {"judge": signature, "pairs": len(verdicts), "thoughts": thoughts, "summary": summary}
    try:
        return {**facts, **missing_facts(wanted, missing, tolerated)}
    except StageError as error:
        return error
