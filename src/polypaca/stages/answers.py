"""generate, where nothing is run here: served models, answers given, and a system's own shuffled.

systems/<system>/responses/   responses.jsonl
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from polypaca.core.errors import StageError
from polypaca.core.files import read_jsonl, write_jsonl
from polypaca.core.manifest import read_manifest
from polypaca.core.missing import TOLERATED, Missing, Wanted, missing_facts, missing_words
from polypaca.core.records import Response
from polypaca.data.answers import read_answers
from polypaca.data.patterns import file_for
from polypaca.data.prompts import in_languages
from polypaca.generation import openai_backend
from polypaca.llm.records import Failure
from polypaca.llm.served import Served
from polypaca.llm.thoughts import aired
from polypaca.models.bases import cache_folder
from polypaca.models.templates import load_template

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path


def ask(
    folder: Path,
    *,
    prompts: Path,
    checkpoint: Path | None = None,
    system: str,
    languages: Sequence[str],
    served: Mapping[str, Any],
    template: str | None,
    max_new_tokens: int,
    temperature: float | None,
    top_p: float,
    seed: int,
    how: Mapping[str, Any],
    account: Path,
    missing: float = TOLERATED,
    threads: int = 1,
    progress: Callable[[float, str], None],
) -> dict[str, Any]:
    """Ask a server all prompts; replies are kept in the cache as they come.

    `checkpoint` is what the server is said to serve: where it changes, the prompts are asked again.
    Prompts without an answer are left out and counted, up to the share `missing` of all; the next
    run asks again those that it may help. What a model thinks is no part of its answer.

    Raises:
        StageError: if more prompts got no answer, or all of a language.
    """
    asked = in_languages(prompts, languages)
    wording = load_template(template) if template else None

    def told(done: int) -> None:
        progress(done / max(1, len(asked)), f"{done}/{len(asked)} answers")

    outcomes = openai_backend.answer(
        [wording.render(prompt.prompt) if wording else prompt.prompt for prompt in asked],
        Served(**served, **how),
        raw=wording is not None,
        stop=wording.stop if wording else (),
        max_new_tokens=max_new_tokens,
        temperature=temperature,
        top_p=top_p,
        seed=seed,
        cache=cache_folder() / "llm",
        account=account,
        progress=told,
    )
    responses = [
        Response(
            system=system,
            prompt_id=prompt.id,
            language=prompt.language,
            response=wording.cut(outcome.text) if wording else outcome.text.strip(),
            finish_reason=outcome.finish_reason,
        )
        for prompt, outcome in zip(asked, outcomes, strict=True)
        if not isinstance(outcome, Failure)
    ]
    lacking = [Missing(o.reason, o.lasting) for o in outcomes if isinstance(o, Failure)]
    wanted = Wanted("prompts got no answer", len(asked), "generate.missing")
    facts = missing_facts(wanted, lacking, missing)
    _check_languages(responses, languages, lacking)
    versions = sorted({o.model for o in outcomes if not isinstance(o, Failure)})
    thoughts = sum(o.thought for o in outcomes if not isinstance(o, Failure))
    summary = f"{len(asked)} prompts{missing_words(lacking, 'without an answer')}"
    summary += f"; thoughts left out of {thoughts}" if thoughts else ""
    words = {"summary": summary} if lacking or thoughts else {}
    facts = {**facts, "thoughts": thoughts, "served_versions": versions}
    return {**_written(folder, responses), **facts, **words}


def _check_languages(
    responses: Sequence[Response], languages: Sequence[str], lacking: Sequence[Missing]
) -> None:
    for language in languages:
        if lacking and all(response.language != language for response in responses):
            raise StageError(
                f"no prompt in {language} got an answer, so that nothing can be said of that "
                f"language: {lacking[0].reason}"
            )


def given(
    folder: Path,
    *,
    prompts: Path,
    source: str,
    system: str,
    languages: Sequence[str],
    threads: int = 1,
    progress: Callable[[float, str], None],
) -> dict[str, Any]:
    """Take over answers that were made elsewhere.

    Prompts without one are counted, and answers to prompts that `prompts.count` leaves out. What a
    model thought before it answered is taken out, and an answer that ends within its thoughts is
    none; both are counted.
    """
    progress(0.0, "reading")
    manifest = read_manifest(prompts)
    all_ids = manifest.facts.get("ids_before_count", {}) if manifest else {}
    responses: list[Response] = []
    missing = not_asked = 0
    for language in languages:
        asked = in_languages(prompts, [language])
        path = file_for(source, language)
        found = read_answers(path, asked, system=system, all_ids=all_ids.get(language, ()))
        missing += len(asked) - len(found.responses)
        not_asked += found.not_asked
        responses += found.responses
    told = aired(responses)
    missing += told.unfinished
    summary = f"{len(told.answers)} answers"
    summary += f", {missing} prompts have none" if missing else ""
    summary += f" ({told.unfinished} end within thoughts)" if told.unfinished else ""
    if not_asked:
        summary += f", {not_asked} more are to prompts that prompts.count leaves out"
    return {
        **_written(folder, told.answers),
        "missing": missing,
        "unfinished": told.unfinished,
        "not_asked": not_asked,
        "thoughts": told.thoughts,
        "summary": summary + told.words,
    }


def shuffle(
    folder: Path,
    *,
    responses: Path,
    system: str,
    seed: int,
    threads: int = 1,
    progress: Callable[[float, str], None],
) -> dict[str, Any]:
    """Deal a system's answers out to other prompts of the same language: no prompt keeps its own.

    A control: what an answer scores by fluency and manner alone, without regard to the question.
    """
    progress(0.0, "shuffling")
    by_language: dict[str, list[Response]] = {}
    for response in read_jsonl(responses / "responses.jsonl", Response):
        by_language.setdefault(response.language, []).append(response)
    dealt = []
    for language, own in sorted(by_language.items()):
        order = list(range(len(own)))
        random.Random(f"shuffle|{seed}|{language}").shuffle(order)  # noqa: S311
        # Everyone hands theirs to the next in a random circle: nobody keeps their own.
        for giver, taker in zip(order, order[1:] + order[:1], strict=True):
            taken = {"system": system, "response": own[giver].response}
            dealt.append(own[taker].model_copy(update={**taken, "finish_reason": "given"}))
    return {**_written(folder, dealt), "summary": f"{len(dealt)} answers dealt out"}


def _written(folder: Path, responses: Sequence[Response]) -> dict[str, Any]:
    count = write_jsonl(folder / "responses.jsonl", responses)
    return {"responses": count, "summary": f"{count} answers"}
