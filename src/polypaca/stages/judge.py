"""judge: what the judge says of a system's answers.

    systems/<system>/verdicts/   verdicts.jsonl

Answers that fail the gate are judged too: robustness is the difference that the gate makes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from polypaca.core.errors import StageError
from polypaca.core.files import read_jsonl, write_jsonl
from polypaca.core.records import Response
from polypaca.data.prompts import by_id
from polypaca.judging import judges
from polypaca.judging.contract import Item
from polypaca.models.bases import cache_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def judge(
    folder: Path,
    *,
    responses: Path,
    prompts: Path,
    kind: str,
    threads: int = 1,
    progress: Callable[[float, str], None],
    **settings: Any,
) -> dict[str, Any]:
    """Judge every answer; `settings` are the judge's own.

    Raises:
        StageError: if a judgement failed. What was judged stays in the cache, and the folder
            stays unsealed, so that the next run tries the failed ones again.
    """
    answers = list(read_jsonl(responses / "responses.jsonl", Response))
    asked = by_id(prompts)
    items = [
        Item(
            system=answer.system,
            prompt_id=answer.prompt_id,
            language=answer.language,
            prompt=asked[answer.prompt_id][answer.language].prompt,
            response=answer.response,
            references={
                language: prompt.reference
                for language, prompt in asked[answer.prompt_id].items()
                if prompt.reference
            },
        )
        for answer in answers
    ]
    chosen = judges.load(kind, cache=cache_folder() / "llm", **settings)

    def judged(done: int) -> None:
        progress(done / max(1, len(items)), f"{done}/{len(items)} judged")

    verdicts = list(chosen.judge(items, judged))
    write_jsonl(folder / "verdicts.jsonl", verdicts)
    failed = [verdict for verdict in verdicts if verdict.status == "failed"]
    if failed:
        raise StageError(
            f"{len(failed)} of {len(verdicts)} judgements failed, the first: "
            f"{failed[0].explanation}; run again to retry them"
        )
    return {
        "judge": chosen.signature,
        "verdicts": len(verdicts),
        "summary": f"{len(verdicts)} {'verdicts' if kind != 'none' else 'answers, unrated'}",
    }
