"""generate, without a model in memory: served models, given answers, and shuffled ones.

systems/<system>/responses/   responses.jsonl
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from polypaca.core.cache import cache_folder
from polypaca.core.errors import StageError
from polypaca.core.files import read_jsonl, write_jsonl
from polypaca.core.folders import ResponseFacts, ResponsesFolder
from polypaca.core.missing import Missing, Wanted, failures, missing_words
from polypaca.core.records import Response
from polypaca.core.work import HOW_TO_RUN, INPUT, Context, SingleWork
from polypaca.data.answers import read_answers
from polypaca.data.patterns import file_for
from polypaca.data.prompts import prepared_prompts
from polypaca.generation import openai_backend
from polypaca.llm.records import Failure
from polypaca.llm.thoughts import strip_thoughts
from polypaca.models.templates import load_template

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from polypaca.core.folders import CellFolder, PromptsFolder
    from polypaca.core.settings import Json
    from polypaca.generation.contract import Generate
    from polypaca.llm.endpoint import ServedModel


@dataclass(frozen=True, kw_only=True)
class AskServer(SingleWork[ResponsesFolder]):
    """A system's answers from a model server.

    `checkpoint` is what the server is meant to serve: if it changes, the prompts are sent again.
    Prompts without an answer are left out and counted, up to a share of all; the next run sends
    those again that may succeed. A model's thoughts are no part of its answer.
    """

    step, stage, format_number = "ask", "generate", 2
    makes = ResponsesFolder

    prompts: PromptsFolder
    checkpoint: CellFolder | None = field(default=None, metadata=INPUT)
    system: str
    languages: Sequence[str]
    served: ServedModel
    template: str | None  # None: the prompt is a user's message, in the server's template
    generate: Generate = field(metadata=HOW_TO_RUN)  # `decides` has what servers know of it
    account: Path = field(metadata=HOW_TO_RUN)

    def decides(self) -> Json:
        """The endpoint, the template, and the decoding settings that servers take."""
        return {
            "system": self.system,
            "languages": list(self.languages),
            "served": {"model": self.served.model, "base_url": self.served.base_url},
            "template": self.template,
            "max_new_tokens": self.generate.max_new_tokens,
            "temperature": self.temperature,
            "top_p": self.generate.top_p,
            "seed": self.generate.seed,
        }

    @property
    def temperature(self) -> float | None:
        """The temperature that is sent; None for models that take none."""
        setting = self.served.temperature
        return self.generate.temperature if setting == "generate" else setting

    def run(self, context: Context) -> ResponseFacts:
        """Send all prompts; replies are cached as they come.

        Raises:
            StageError: if too many prompts got no answer, or all of a language.
        """
        prompts = prepared_prompts(self.prompts.path, self.languages)
        template = load_template(self.template) if self.template else None

        def progress(done: int) -> None:
            context.progress(done / max(1, len(prompts)), f"{done}/{len(prompts)} answers")

        decoding = openai_backend.ServedDecoding(
            raw=template is not None,
            max_new_tokens=self.generate.max_new_tokens,
            stop=template.stop if template else (),
            temperature=self.temperature,
            top_p=self.generate.top_p,
            seed=self.generate.seed,
        )
        outcomes = openai_backend.answer(
            [template.render(prompt.prompt) if template else prompt.prompt for prompt in prompts],
            self.served,
            decoding,
            cache=cache_folder() / "llm",
            account=self.account,
            progress=progress,
        )
        responses = [
            Response(
                system=self.system,
                prompt_id=prompt.id,
                language=prompt.language,
                response=template.cut(outcome.text) if template else outcome.text.strip(),
                finish_reason=outcome.finish_reason,
            )
            for prompt, outcome in zip(prompts, outcomes, strict=True)
            if not isinstance(outcome, Failure)
        ]
        missing = [Missing(o.reason, o.lasting) for o in outcomes if isinstance(o, Failure)]
        wanted = Wanted("prompts got no answer", len(prompts), "generate.missing")
        failed = failures(wanted, missing, self.generate.missing)
        _check_languages(responses, self.languages, missing)
        thoughts = sum(o.thought for o in outcomes if not isinstance(o, Failure))
        summary = f"{len(prompts)} prompts{missing_words(missing, 'without an answer')}"
        summary += f"; thoughts left out of {thoughts}" if thoughts else ""
        count = write_jsonl(context.folder / "responses.jsonl", responses)
        return ResponseFacts(
            responses=count,
            missing=len(missing),
            failed=failed,
            thoughts=thoughts,
            served_versions=sorted({o.model for o in outcomes if not isinstance(o, Failure)}),
            summary=summary if missing or thoughts else f"{count} answers",
        )


def _check_languages(
    responses: Sequence[Response], languages: Sequence[str], missing: Sequence[Missing]
) -> None:
    for language in languages:
        if missing and all(response.language != language for response in responses):
            raise StageError(
                f"no prompt in {language} got an answer, so that language cannot be scored: "
                f"{missing[0].reason}"
            )


@dataclass(frozen=True, kw_only=True)
class TakeAnswers(SingleWork[ResponsesFolder]):
    """A system's answers from elsewhere."""

    step, stage, format_number = "answers", "generate", 2
    makes = ResponsesFolder

    prompts: PromptsFolder
    source: str = field(metadata=HOW_TO_RUN)  # a path with {language}
    system: str
    languages: Sequence[str]

    def run(self, context: Context) -> ResponseFacts:
        """Read them from the user's files.

        Counts prompts without an answer, and answers to prompts that `prompts.count` leaves out.
        Thoughts are removed, and an answer that ends within them counts as missing; both are
        counted.
        """
        context.progress(0.0, "reading")
        all_ids = self.prompts.facts.ids_before_count
        responses: list[Response] = []
        missing = not_asked = 0
        for language in self.languages:
            prompts = prepared_prompts(self.prompts.path, [language])
            path = file_for(self.source, language)
            ids = all_ids.get(language, ())
            answers = read_answers(path, prompts, system=self.system, all_ids=ids)
            missing += len(prompts) - len(answers.responses)
            not_asked += answers.not_asked
            responses += answers.responses
        visible = strip_thoughts(responses)
        missing += visible.unfinished
        summary = f"{len(visible.answers)} answers"
        summary += f", {missing} prompts have none" if missing else ""
        summary += f" ({visible.unfinished} end within thoughts)" if visible.unfinished else ""
        if not_asked:
            summary += f", {not_asked} more are to prompts that prompts.count leaves out"
        return ResponseFacts(
            responses=write_jsonl(context.folder / "responses.jsonl", visible.answers),
            missing=missing,
            unfinished=visible.unfinished,
            not_asked=not_asked,
            thoughts=visible.thoughts,
            summary=summary + visible.summary,
        )


@dataclass(frozen=True, kw_only=True)
class ShuffleAnswers(SingleWork[ResponsesFolder]):
    """A system's answers, shuffled among the prompts of the same language.

    A control: what an answer scores by fluency and style alone, without regard to the question.
    """

    step, stage, format_number = "shuffle", "generate", 1
    makes = ResponsesFolder

    responses: ResponsesFolder
    system: str
    seed: int

    def run(self, context: Context) -> ResponseFacts:
        """Shuffle them; no prompt keeps its own answer."""
        context.progress(0.0, "shuffling")
        by_language: dict[str, list[Response]] = {}
        for response in read_jsonl(self.responses.file, Response):
            by_language.setdefault(response.language, []).append(response)
        shuffled = []
        for language, responses in sorted(by_language.items()):
            order = list(range(len(responses)))
            random.Random(f"shuffle|{self.seed}|{language}").shuffle(order)  # noqa: S311
            # Each answer moves to the next prompt in a random circle: no prompt keeps its own.
            for old, new in zip(order, order[1:] + order[:1], strict=True):
                moved = {"system": self.system, "response": responses[old].response}
                shuffled.append(
                    responses[new].model_copy(update={**moved, "finish_reason": "given"})
                )
        count = write_jsonl(context.folder / "responses.jsonl", shuffled)
        return ResponseFacts(responses=count, summary=f"{count} answers shuffled")
