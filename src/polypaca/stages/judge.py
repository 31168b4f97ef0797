"""judge: what the judge says of systems' answers.

    systems/<system>/verdicts/   verdicts.jsonl

Answers that fail the gate are judged too: robustness is the difference that the gate makes. All
systems are judged in one go, so that limits on requests, tokens and money hold over all of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from polypaca.core.errors import StageError
from polypaca.core.files import read_jsonl, write_jsonl
from polypaca.core.missing import TOLERATED, Missing, Wanted, missing_facts, missing_words
from polypaca.core.records import Response
from polypaca.core.rows import read_choice
from polypaca.data.prompts import by_id, references
from polypaca.judging import judges
from polypaca.judging.contract import Item
from polypaca.judging.judges import JUDGES
from polypaca.langid.settings import Gate
from polypaca.models.bases import cache_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from polypaca.core.records import Prompt, Verdict


@dataclass(frozen=True)
class Part:
    """One system's folder of verdicts, and what it is made from."""

    folder: Path
    responses: Path
    prompts: Path
    judge: Mapping[str, Any]  # its kind, and the judge's own settings
    how: Mapping[str, Any] = field(default_factory=dict)  # settings that affect no verdict
    account: Path | None = None  # where it is kept what served judges were asked
    missing: float = TOLERATED  # share of judgements that may fail


def judge(
    parts: Sequence[Part], *, threads: int = 1, progress: Callable[[int, float, str], None]
) -> Iterator[tuple[int, dict[str, Any] | Exception]]:
    """Judge every answer of all parts; yields each part's facts, or the error that it has.

    A part with a few failed judgements is kept, with their number among its facts, so that the rest
    can be reported; the next run asks again for those that it may help. What was judged stays in
    the cache.
    """
    for indices in _by_judge(parts):
        first = parts[indices[0]]
        settings = {**first.judge, **first.how}
        gate = {
            key: settings.pop(key)
            for key in ("detector", "model")
            if first.judge["kind"] == "reference" and key in settings
        }
        chosen = judges.load(
            read_choice(settings, JUDGES),
            gate=Gate(**gate),
            cache=cache_folder() / "llm",
            account=first.account,
        )
        asked = by_id(first.prompts)
        items = {index: _items(parts[index], asked) for index in indices}
        total = sum(len(own) for own in items.values())

        def judged(done: int, index: int = indices[0], total: int = total) -> None:
            progress(index, done / max(1, total), f"{done}/{total} judged")

        verdicts = chosen.judge([item for own in items.values() for item in own], judged)
        for index in indices:
            own = list(islice(verdicts, len(items[index])))
            write_jsonl(parts[index].folder / "verdicts.jsonl", own)
            facts = {"judge": chosen.signature, "scale": list(chosen.scale)}
            unrated = first.judge["kind"] == "none"
            what = "answers, unrated" if unrated else "judgements"
            yield index, _outcome(own, facts, what, parts[index].missing)


def _by_judge(parts: Sequence[Part]) -> list[list[int]]:
    """Indices of the parts that one judge sees, and so one limit and one look at the prompts."""
    groups: dict[str, list[int]] = {}
    for index, part in enumerate(parts):
        key = repr((sorted(part.judge.items()), sorted(part.how.items()), part.prompts))
        groups.setdefault(key, []).append(index)
    return list(groups.values())


def _items(part: Part, asked: Mapping[str, Mapping[str, Prompt]]) -> list[Item]:
    return [
        Item(
            system=answer.system,
            prompt_id=answer.prompt_id,
            language=answer.language,
            prompt=asked[answer.prompt_id][answer.language].prompt,
            response=answer.response,
            references=references(asked[answer.prompt_id]),
        )
        for answer in read_jsonl(part.responses / "responses.jsonl", Response)
    ]


def _outcome(
    verdicts: Sequence[Verdict], facts: dict[str, Any], what: str, tolerated: float
) -> dict[str, Any] | Exception:
    missing = [Missing(v.explanation, v.lasting) for v in verdicts if v.status == "failed"]
    wanted = Wanted(f"{what} failed", len(verdicts), "judge.missing")
    thoughts = sum(verdict.thoughts for verdict in verdicts)
    summary = f"{len(verdicts)} {what}{missing_words(missing, 'failed')}"
    summary += f"; thoughts left out of {thoughts}" if thoughts else ""
    try:
        facts = {**facts, "verdicts": len(verdicts), **missing_facts(wanted, missing, tolerated)}
    except StageError as error:
        return error
    return {**facts, "thoughts": thoughts, "summary": summary}
