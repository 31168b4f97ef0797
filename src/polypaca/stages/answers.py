"""generate, where nothing is run here: served models, answers given, and a system's own shuffled.

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
from polypaca.core.missing import Missing, Requested, check_missing, describe_missing
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
    """A system's answers by a model that a server answers for.

    `checkpoint` is what the server is said to serve: where it changes, the prompts are asked again.
    Prompts without an answer are left out and counted, up to a share of all; the next run asks
    again those that it may help. What a model thinks is no part of its answer.
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
        """What is asked of whom, and what servers know of decoding."""
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
        own = self.served.temperature
        return self.generate.temperature if own == "generate" else own

    def run(self, context: Context) -> ResponseFacts:
        """Ask all prompts; replies are kept in the cache as they come.

        Raises:
            StageError: if more prompts than may got no answer, or all of a language.
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
        wanted = Requested("prompts got no answer", len(prompts), "generate.missing")
        failed = check_missing(wanted, missing, self.generate.missing)
        _check_languages(responses, self.languages, missing)
        thoughts = sum(o.thought for o in outcomes if not isinstance(o, Failure))
        summary = f"{len(prompts)} prompts{describe_missing(missing, 'without an answer')}"
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
                f"no prompt in {language} got an answer, so that nothing can be said of that "
                f"language: {missing[0].reason}"
            )


@dataclass(frozen=True, kw_only=True)
class TakeAnswers(SingleWork[ResponsesFolder]):
    """A system's answers that were made elsewhere."""

    step, stage, format_number = "answers", "generate", 2
    makes = ResponsesFolder

    prompts: PromptsFolder
    source: str = field(metadata=HOW_TO_RUN)  # a path with {language}
    system: str
    languages: Sequence[str]

    def run(self, context: Context) -> ResponseFacts:
        """Take them over.

        Prompts without an answer are counted, and answers to prompts that `prompts.count` leaves
        out. What a model thought before it answered is taken out, and an answer that ends within
        its thoughts is none; both are counted.
        """
        context.progress(0.0, "reading")
        all_ids = self.prompts.facts.ids_before_count
        responses: list[Response] = []
        missing = not_asked = 0
        for language in self.languages:
            asked = prepared_prompts(self.prompts.path, [language])
            path = file_for(self.source, language)
            ids = all_ids.get(language, ())
            found = read_answers(path, asked, system=self.system, all_ids=ids)
            missing += len(asked) - len(found.responses)
            not_asked += found.not_asked
            responses += found.responses
        told = strip_thoughts(responses)
        missing += told.unfinished
        summary = f"{len(told.answers)} answers"
        summary += f", {missing} prompts have none" if missing else ""
        summary += f" ({told.unfinished} end within thoughts)" if told.unfinished else ""
        if not_asked:
            summary += f", {not_asked} more are to prompts that prompts.count leaves out"
        return ResponseFacts(
            responses=write_jsonl(context.folder / "responses.jsonl", told.answers),
            missing=missing,
            unfinished=told.unfinished,
            not_asked=not_asked,
            thoughts=told.thoughts,
            summary=summary + told.summary,
        )


@dataclass(frozen=True, kw_only=True)
class ShuffleAnswers(SingleWork[ResponsesFolder]):
    """A system's answers dealt out to other prompts of the same language.

    A control: what an answer scores by fluency and manner alone, without regard to the question.
    """

    step, stage, format_number = "shuffle", "generate", 1
    makes = ResponsesFolder

    responses: ResponsesFolder
    system: str
    seed: int

    def run(self, context: Context) -> ResponseFacts:
        """Deal them out: no prompt keeps its own."""
        context.progress(0.0, "shuffling")
        by_language: dict[str, list[Response]] = {}
        for response in read_jsonl(self.responses.file, Response):
            by_language.setdefault(response.language, []).append(response)
        dealt = []
        for language, own in sorted(by_language.items()):
            order = list(range(len(own)))
            random.Random(f"shuffle|{self.seed}|{language}").shuffle(order)  # noqa: S311
            # Everyone hands theirs to the next in a random circle: nobody keeps their own.
            for giver, taker in zip(order, order[1:] + order[:1], strict=True):
                taken = {"system": self.system, "response": own[giver].response}
                dealt.append(own[taker].model_copy(update={**taken, "finish_reason": "given"}))
        count = write_jsonl(context.folder / "responses.jsonl", dealt)
        return ResponseFacts(responses=count, summary=f"{count} answers dealt out")
