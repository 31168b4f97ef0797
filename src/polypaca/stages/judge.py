"""judge: the judge's verdicts on systems' answers.

    systems/<system>/verdicts/   verdicts.jsonl

Answers that fail the gate are judged too: robustness is the difference that the gate makes. All
systems are judged in one go, so that limits on requests, tokens and money hold over all of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from polypaca.core.cache import cache_folder
from polypaca.core.errors import StageError
from polypaca.core.files import read_jsonl, write_jsonl
from polypaca.core.folders import VerdictFacts, VerdictsFolder
from polypaca.core.missing import TOLERATED, Missing, Wanted, failures, missing_words
from polypaca.core.records import Response
from polypaca.core.work import HOW_TO_RUN, Context, SharedWork
from polypaca.data.prompts import prompts_by_id, references_by_language
from polypaca.judging import judges
from polypaca.judging.contract import Item
from polypaca.judging.judges import JUDGES
from polypaca.langid import detectors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from polypaca.core.folders import PromptsFolder, ResponsesFolder
    from polypaca.core.records import Prompt, Verdict
    from polypaca.core.settings import Choice, Json
    from polypaca.core.work import Outcomes
    from polypaca.judging.contract import Judge
    from polypaca.langid.settings import GateSettings


@dataclass(frozen=True, kw_only=True)
class JudgeAnswers(SharedWork[VerdictsFolder]):
    """One judge's verdicts on one system's answers."""

    step, stage, format_number = "judge", "judge", 3
    makes = VerdictsFolder

    responses: ResponsesFolder
    prompts: PromptsFolder
    judge: Choice
    gate: GateSettings  # some judges ask the detector for an answer's language
    account: Path = field(metadata=HOW_TO_RUN)
    missing: float = field(default=TOLERATED, metadata=HOW_TO_RUN)  # share that may fail

    def decides(self) -> Json:
        """The judge's settings, and the detector if it asks one."""
        settings = JUDGES.decided(self.judge)
        if JUDGES.row(self.judge.kind).uses_gate:
            settings["detector"] = detectors.decided(self.gate.detector)
        return {"judge": settings}

    @classmethod
    def run_all(cls, parts: Sequence[tuple[JudgeAnswers, Context]]) -> Outcomes:
        """Judge every answer of all parts.

        A part with a few failed judgements is kept, with their number among its facts, so that the
        rest can be reported; the next run asks again for those that it may help. What was judged
        stays in the cache.
        """
        for indices in _by_judge([work for work, _ in parts]):
            first, context = parts[indices[0]]
            judge = judges.load(
                first.judge, gate=first.gate, cache=cache_folder() / "llm", account=first.account
            )
            prompts = prompts_by_id(first.prompts.path)
            items = {index: _items(parts[index][0], prompts) for index in indices}
            total = sum(map(len, items.values()))

            def judged(done: int, context: Context = context, total: int = total) -> None:
                context.progress(done / max(1, total), f"{done}/{total} judged")

            verdicts = judge.judge([item for part in items.values() for item in part], judged)
            for index in indices:
                written = list(islice(verdicts, len(items[index])))
                write_jsonl(parts[index][1].folder / "verdicts.jsonl", written)
                yield index, _outcome(written, judge, first.missing)


def _by_judge(works: Sequence[JudgeAnswers]) -> list[list[int]]:
    """Indices of works with the same judge and prompts, which share its limits."""
    groups: dict[tuple[Any, ...], list[int]] = {}
    for index, work in enumerate(works):
        groups.setdefault((repr(work.judge), work.prompts), []).append(index)
    return list(groups.values())


def _items(work: JudgeAnswers, prompts: Mapping[str, Mapping[str, Prompt]]) -> list[Item]:
    return [
        Item(
            system=answer.system,
            prompt_id=answer.prompt_id,
            language=answer.language,
            prompt=prompts[answer.prompt_id][answer.language].prompt,
            response=answer.response,
            references=references_by_language(prompts[answer.prompt_id]),
        )
        for answer in read_jsonl(work.responses.file, Response)
    ]


def _outcome(
    verdicts: Sequence[Verdict], judge: Judge, tolerated: float
) -> VerdictFacts | Exception:
    unrated = all(verdict.status == "unrated" for verdict in verdicts)
    what = "answers, unrated" if unrated else "judgements"
    missing = [Missing(v.explanation, v.lasting) for v in verdicts if v.status == "failed"]
    wanted = Wanted(f"{what} failed", len(verdicts), "judge.missing")
    thoughts = sum(verdict.thoughts for verdict in verdicts)
    summary = f"{len(verdicts)} {what}{missing_words(missing, 'failed')}"
    summary += f"; thoughts left out of {thoughts}" if thoughts else ""
    try:
        failed = failures(wanted, missing, tolerated)
    except StageError as error:
        return error
    return VerdictFacts(
        judge=judge.signature,
        scale=judge.scale,
        verdicts=len(verdicts),
        missing=len(missing),
        failed=failed,
        thoughts=thoughts,
        summary=summary,
    )
