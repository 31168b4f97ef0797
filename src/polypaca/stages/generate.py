"""generate: one system's answers to the prompts of its languages.

systems/<system>/responses/   responses.jsonl
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from polypaca.core.files import read_jsonl, to_line, write_jsonl
from polypaca.core.records import Prompt, Response
from polypaca.generation import transformers_backend as backend
from polypaca.models import loading
from polypaca.models.templates import load_template

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

_AS_THEY_COME = "partial.jsonl"


def generate(
    folder: Path,
    *,
    prompts: Path,
    base: Path,
    checkpoint: Path | None = None,
    system: str,
    languages: Sequence[str],
    template: str,
    max_new_tokens: int,
    num_beams: int,
    no_repeat_ngram_size: int,
    batch_size: int = 16,
    threads: int = 1,
    progress: Callable[[float, str], None],
) -> dict[str, Any]:
    """Answer all prompts; answers are kept as they come, so a killed run loses little."""
    import torch

    torch.set_num_threads(threads)
    asked = [
        prompt
        for language in languages
        for prompt in read_jsonl(prompts / f"{language}.jsonl", Prompt)
    ]
    answered = _begun(folder / _AS_THEY_COME, batch_size)
    left = [prompt for prompt in asked if (prompt.id, prompt.language) not in answered]
    full = checkpoint / "model" if checkpoint and (checkpoint / "model").is_dir() else None
    model = loading.cached_model(full or base)
    tokenizer = loading.load_tokenizer(full or base)
    wording = load_template(template, tokenizer)
    adapted = checkpoint is not None and full is None
    if adapted:
        assert checkpoint is not None
        model = backend.with_adapter(model, checkpoint / "adapter")
    try:
        with (folder / _AS_THEY_COME).open("a", encoding="utf-8") as file:
            for index, text, reason in backend.answer(
                model,
                tokenizer,
                [wording.render(prompt.prompt) for prompt in left],
                pad_token_id=loading.pad_token_id(tokenizer),
                special_tokens=wording.special_tokens,
                max_new_tokens=max_new_tokens,
                num_beams=num_beams,
                no_repeat_ngram_size=no_repeat_ngram_size,
                batch_size=batch_size,
            ):
                prompt = left[index]
                response = Response(
                    system=system,
                    prompt_id=prompt.id,
                    language=prompt.language,
                    response=wording.cut(text),
                    finish_reason=reason,
                )
                answered[prompt.id, prompt.language] = response
                file.write(to_line(response) + "\n")
                file.flush()
                progress(len(answered) / len(asked), f"{len(answered)}/{len(asked)} answers")
    finally:
        if adapted:
            backend.without_adapter(model)
    _write(folder, (answered[prompt.id, prompt.language] for prompt in asked))
    (folder / _AS_THEY_COME).unlink()
    stopped = sum(response.finish_reason == "stop" for response in answered.values())
    return {
        "responses": len(answered),
        "stopped": stopped,
        "device": loading.device(),
        "summary": f"{len(answered)} answers, {len(answered) - stopped} cut at the length limit",
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
    return {"responses": _write(folder, dealt), "summary": f"{len(dealt)} answers dealt out"}


def _begun(path: Path, batch_size: int) -> dict[tuple[str, str], Response]:
    """The answers of an interrupted run, in whole batches.

    What is left of a batch would make others of those that follow, with other padding, and
    numbers that may differ in the last digit.
    """
    if not path.exists():
        return {}
    lines = path.read_bytes().split(b"\n")[:-1]
    kept = lines[: len(lines) // batch_size * batch_size]
    path.write_bytes(b"".join(line + b"\n" for line in kept))
    return {(r.prompt_id, r.language): r for r in read_jsonl(path, Response)}


def _write(folder: Path, responses: Iterable[Response]) -> int:
    return write_jsonl(folder / "responses.jsonl", responses)
