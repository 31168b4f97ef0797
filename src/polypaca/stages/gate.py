"""gate: whether a system's answers are in the language of their prompts.

    systems/<system>/gate/       gate.jsonl

It has a folder apart from the verdicts, so that another detector asks no judge again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from polypaca.core.files import read_jsonl, sha256_text, write_jsonl
from polypaca.core.folders import GateFacts, GateFolder
from polypaca.core.records import GateResult, Response
from polypaca.core.work import Context, SingleWork
from polypaca.data.prompts import prompts_by_id
from polypaca.langid import detectors
from polypaca.langid.confusion import line_and_word_gates, tally
from polypaca.langid.gate import check_response

if TYPE_CHECKING:
    from polypaca.core.folders import PromptsFolder, ResponsesFolder
    from polypaca.core.records import Prompt
    from polypaca.core.settings import Json
    from polypaca.langid.contract import Detector
    from polypaca.langid.settings import GateSettings


@dataclass(frozen=True, kw_only=True)
class CheckLanguage(SingleWork[GateFolder]):
    """Whether a system's answers are in the language of their prompts.

    Prompts with `gate: false` exempt their answers.
    """

    step, stage, format_number = "gate", "judge", 3
    makes = GateFolder

    responses: ResponsesFolder
    prompts: PromptsFolder
    gate: GateSettings

    def decides(self) -> Json:
        """The detector; its own model file is known by what it holds."""
        return {"detector": detectors.decided(self.gate.detector)}

    def run(self, context: Context) -> GateFacts:
        """Detect the language of every answer and compare it with the prompt's.

        Raises:
            UserError: if the detector cannot be loaded.
        """
        context.progress(0.0, "loading the detector")
        identify = detectors.load(self.gate.detector, self.gate.model)
        asked = prompts_by_id(self.prompts.path)
        answers = list(read_jsonl(self.responses.file, Response))
        results = []
        for number, answer in enumerate(answers):
            if number % 500 == 0:
                context.progress(number / len(answers), "detecting")
            prompt = asked[answer.prompt_id][answer.language]
            results.append(_result(answer, prompt, identify))
        write_jsonl(context.folder / "gate.jsonl", results)
        counts = tally(results)
        return GateFacts(
            detector=identify.signature,
            answers=len(results),
            summary=f"{counts['passed']} of {len(results)} answers in the prompt's language",
            **counts,
        )


def _result(answer: Response, prompt: Prompt, identify: Detector) -> GateResult:
    text = answer.response
    found = check_response(
        text, answer.language, identify, prompt=prompt.prompt, required=prompt.gate
    )
    by_line, by_word = line_and_word_gates(text, answer.language, identify, found.reason)
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
