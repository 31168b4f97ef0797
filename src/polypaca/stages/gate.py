"""gate: whether a system's answers are in the language of their prompts.

    systems/<system>/gate/       gate.jsonl

It has a folder apart from the verdicts, so that another detector asks no judge again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from polypaca.core.files import read_jsonl, sha256_text, write_jsonl
from polypaca.core.records import GateResult, Response
from polypaca.data.prompts import by_id
from polypaca.langid import detectors
from polypaca.langid.confusion import gates_inside, tally
from polypaca.langid.gate import check

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from polypaca.core.records import Prompt
    from polypaca.langid.contract import Detector


def gate(
    folder: Path,
    *,
    responses: Path,
    prompts: Path,
    detector: str,
    model: Path | str | None = None,
    threads: int = 1,
    progress: Callable[[float, str], None],
) -> dict[str, Any]:
    """Detect the language of every answer and compare it with the prompt's.

    Args:
        folder: where `gate.jsonl` goes, one GateResult an answer.
        responses: folder with `responses.jsonl`.
        prompts: the prepared prompts; those with `gate: false` exempt their answers.
        detector: a row of `langid.detectors`.
        model: the detector's file, where it is not the one that comes with it.
        threads: not used; detectors run on one core.
        progress: called with a fraction and a word.

    Returns:
        Facts for the manifest: the detector's signature, how many answers passed, how many each
        reason decided, and passes of those that could be told by line and by word.

    Raises:
        UserError: if the detector cannot be loaded.
    """
    del threads
    progress(0.0, "loading the detector")
    identify = detectors.load(detector, model)
    asked = by_id(prompts)
    answers = list(read_jsonl(responses / "responses.jsonl", Response))
    results = []
    for number, answer in enumerate(answers):
        if number % 500 == 0:
            progress(number / len(answers), "detecting")
        prompt = asked[answer.prompt_id][answer.language]
        results.append(_result(answer, prompt, identify))
    write_jsonl(folder / "gate.jsonl", results)
    counts = tally(results)
    return {
        "detector": identify.signature,
        "answers": len(results),
        **counts,
        "summary": f"{counts['passed']} of {len(results)} answers in the prompt's language",
    }


def _result(answer: Response, prompt: Prompt, identify: Detector) -> GateResult:
    text = answer.response
    found = check(text, answer.language, identify, prompt=prompt.prompt, required=prompt.gate)
    by_line, by_word = gates_inside(text, answer.language, identify, found.reason)
    return GateResult(
        system=answer.system,
        prompt_id=answer.prompt_id,
        language=answer.language,
        response_sha256=sha256_text(text),
        detector=identify.signature,
        detected=found.detected,
        confidence=found.confidence,
        gate=found.gate,
        reason=found.reason,
        line_gate=by_line,
        word_gate=by_word,
    )
