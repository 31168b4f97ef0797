"""generate: the answers of a base model and of all that was trained on it, in one pass.

    systems/<system>/responses/   responses.jsonl

The base is loaded once; prompts of all its adapters and languages share batches. A fully tuned
model has a pass of its own. Answers are appended to `partial.jsonl` batch by batch, so a killed run
loses one batch at most.
"""

from __future__ import annotations

import json
import logging
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from polypaca.core.errors import UserError
from polypaca.core.files import read_jsonl, sha256_text, to_line, write_jsonl
from polypaca.core.records import Response
from polypaca.data.prompts import in_languages
from polypaca.generation import transformers_backend as backend
from polypaca.generation.adapters import with_adapters
from polypaca.generation.batching import check_room, plan_batches, positions
from polypaca.generation.contract import Decoding
from polypaca.generation.prompts import asked, named, study_limit
from polypaca.models import loading
from polypaca.models.templates import Template, load_template

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from polypaca.core.records import Prompt
    from polypaca.generation.adapters import Adapters
    from polypaca.generation.contract import Answer
    from polypaca.generation.prompts import Asked, Limit, OnLong

    Results = Iterator[tuple[int, dict[str, Any] | Exception]]

_AS_THEY_COME = "partial.jsonl"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Part:
    """One system's folder of responses, and what it is made from."""

    folder: Path
    prompts: Path
    base: Path
    system: str
    languages: Sequence[str]
    template: str
    decoding: Mapping[str, Any]
    seed: int
    precision: str
    checkpoint: Path | None = None
    max_prompt_tokens: int = 4096
    on_long_prompt: OnLong = "error"
    batch_size: int = 16
    batch_tokens: int = 65536

    @property
    def model(self) -> Path:
        """The folder of the model that answers: the base's, or a fully tuned one's own."""
        own = self.checkpoint / "model" if self.checkpoint else None
        return own if own and own.is_dir() else self.base

    @property
    def adapter(self) -> Path | None:
        """The folder of the adapter that answers, if one does."""
        return self.checkpoint / "adapter" if self.checkpoint and self.model == self.base else None


@dataclass(frozen=True)
class _Row:
    """One prompt to one system."""

    part: int
    prompt: Prompt
    template: Template
    tokens: Sequence[int]
    adapter: str | None

    @property
    def key(self) -> tuple[int, str, str]:
        return self.part, self.prompt.language, self.prompt.id


class _Written(Response):
    """An answer as it came: in which batch, and of which plan of batches."""

    plan: str
    batch: int


def generate(
    parts: Sequence[Part], *, threads: int = 1, progress: Callable[[int, float, str], None]
) -> Results:
    """Let every part's system answer its prompts; yields each part's facts, or its error.

    Which prompts share a batch is decided by all parts of a pass together. Answers in float32 do
    not depend on it; in bfloat16 some differ by it in their wording.
    """
    import torch

    torch.set_num_threads(threads)
    for passed in _passes(parts):
        left = set(passed)
        try:
            for index, result in _pass({index: parts[index] for index in passed}, progress):
                left.discard(index)
                yield index, result
        except UserError as error:
            for index in sorted(left):
                yield index, error


def _passes(parts: Sequence[Part]) -> list[list[int]]:
    """Indices of parts that one model in memory answers in one way."""
    groups: dict[str, list[int]] = {}
    for index, part in enumerate(parts):
        way = (part.precision, sorted(part.decoding.items()), part.seed, part.template == "chat")
        groups.setdefault(repr((part.model, way)), []).append(index)
    return list(groups.values())


def _pass(parts: dict[int, Part], progress: Callable[[int, float, str], None]) -> Results:
    first = next(iter(parts.values()))
    dtype = loading.training_dtype(first.precision)
    model = loading.cached_model(first.model, dtype)
    tokenizer = loading.load_tokenizer(first.model)
    with ExitStack() as stack:
        adapters, errors = _load_adapters(model, parts, stack)
        for index, error in errors.items():
            yield index, error
        left = {index: part for index, part in parts.items() if index not in errors}
        decoding = Decoding(**first.decoding)
        table, rows, facts = positions(model), [], {}
        for index, part in list(left.items()):
            try:
                own, found = _rows(index, part, tokenizer, table)
            except UserError as error:
                # Other systems may not be asked what is too long.
                yield index, error
                del left[index]
                continue
            rows += own
            facts[index] = _facts(found, own, model, decoding.max_new_tokens)
        if not left:
            return
        batches = _Batches(left, rows)
        told = min(left)
        for number, batch in batches.left():
            answers = backend.answer_batch(
                model,
                tokenizer,
                [row.tokens for row in batch],
                decoding,
                adapters=adapters,
                names=[row.adapter for row in batch],
                stop=batch[0].template.stop,
                ends=tokenizer.convert_tokens_to_ids(list(batch[0].template.ends)),
                seed=int(sha256_text(f"{first.seed}|{number}")[:12], 16),
            )
            batches.add(number, batch, answers)
            done, total = len(batches.answered), len(rows)
            progress(told, done / total, f"{done}/{total} answers")
    for index, part in left.items():
        yield index, _written(part, batches.answers_of(index), dtype, facts[index])


def _load_adapters(
    model: Any, parts: Mapping[int, Part], stack: ExitStack
) -> tuple[Adapters, dict[int, Exception]]:
    """All adapters on the model; one that cannot be used leaves the others going."""
    folders = {part.system: part.adapter for part in parts.values()}
    wanted = {name: folder for name, folder in folders.items() if folder is not None}
    try:
        return stack.enter_context(with_adapters(model, wanted)), {}
    except UserError as error:
        _log.warning("%s; looking for the adapters that can be used", error)
    errors: dict[int, Exception] = {}
    for index, part in parts.items():
        if part.adapter is None:
            continue
        try:
            with with_adapters(model, {part.system: part.adapter}):
                pass
        except UserError as error:
            errors[index] = error
            del wanted[part.system]
    return stack.enter_context(with_adapters(model, wanted)), errors


def _rows(
    index: int, part: Part, tokenizer: Any, positions: int | None
) -> tuple[list[_Row], Asked]:
    template = load_template(part.template, tokenizer)
    prompts = in_languages(part.prompts, part.languages)
    found = asked(
        tokenizer,
        [(f"{prompt.id} ({prompt.language})", prompt.prompt) for prompt in prompts],
        template.render,
        _limit(part, positions),
        special_tokens=template.special_tokens,
    )
    adapter = part.system if part.adapter else None
    rows = [
        _Row(index, prompt, template, ids, adapter)
        for prompt, ids in zip(prompts, found.tokens, strict=True)
    ]
    return rows, found


def _limit(part: Part, positions: int | None) -> Limit:
    most = study_limit(part.max_prompt_tokens, part.on_long_prompt)
    new = Decoding(**part.decoding).max_new_tokens
    if positions is None or positions - new >= most.tokens:
        return most
    why = f"the model has {positions:,} positions, and {new:,} are for the answer"
    more = "Lower generate.max_new_tokens"
    return replace(most, tokens=max(0, positions - new), why=why, more=more)


def _facts(found: Asked, rows: Sequence[_Row], model: Any, new: int) -> dict[str, Any]:
    """What of a part's prompts should be known, if anything; its `told` is for the summary."""
    told: list[str] = []
    facts: dict[str, Any] = {}
    for key, names, what in (
        ("cut_prompts", found.cut, "cut at the limit"),
        ("special_prompts", found.special, "with special tokens that could not be kept text"),
    ):
        if names:
            facts[key] = list(names)
            told.append(f"{len(names)} prompts {what}: {named(names)}")
            _log.warning("%s", told[-1])
    beyond = check_room(model, [len(row.tokens) for row in rows], new)
    if beyond:
        facts["past_context"] = beyond
        told.append(f"{beyond} prompts with their answers may go past the model's context")
    date = rows[0].template.date if rows else None
    return {**facts, **({"chat_date": date} if date else {}), "told": told}


class _Batches:
    """The batches of a pass, and what is answered of them, on disk and in memory.

    A batch that was not written whole is answered again whole: what is left of it would make other
    batches of those that follow, and rounding differs with a batch's shape.
    """

    def __init__(self, parts: Mapping[int, Part], rows: Sequence[_Row]) -> None:
        self.parts, self.rows = parts, rows
        written = {
            (index, line.language, line.prompt_id): line
            for index, part in parts.items()
            for line in _begun(part.folder / _AS_THEY_COME)
        }
        first = next(iter(parts.values()))
        limits = first.batch_size, first.batch_tokens
        self.plan = _plan_of(rows, limits, parts)
        # Of an earlier plan, among other systems: answers all the same.
        self.answered: dict[tuple[int, str, str], Response] = {
            key: line for key, line in written.items() if line.plan != self.plan
        }
        todo = [row for row in rows if row.key not in self.answered]
        decoding = Decoding(**first.decoding)
        lengths = [(len(row.tokens) + decoding.max_new_tokens) * decoding.num_beams for row in todo]
        planned = plan_batches(lengths, *limits)
        self.batches = [[todo[place] for place in batch] for batch in planned]
        for batch in self.batches:
            if all(row.key in written for row in batch):
                self.answered.update((row.key, written[row.key]) for row in batch)

    def left(self) -> Iterator[tuple[int, list[_Row]]]:
        """The batches to be answered, with their numbers."""
        for number, batch in enumerate(self.batches):
            if not all(row.key in self.answered for row in batch):
                yield number, batch

    def add(self, number: int, batch: Sequence[_Row], answers: Sequence[Answer]) -> None:
        """Keep a batch's answers."""
        lines: dict[int, list[_Written]] = {}
        for row, answer in zip(batch, answers, strict=True):
            line = _Written(
                system=self.parts[row.part].system,
                prompt_id=row.prompt.id,
                language=row.prompt.language,
                response=row.template.cut(answer.text),
                finish_reason=answer.finish_reason,
                plan=self.plan,
                batch=number,
            )
            self.answered[row.key] = line
            lines.setdefault(row.part, []).append(line)
        for index, own in lines.items():
            path = self.parts[index].folder / _AS_THEY_COME
            with path.open("a", encoding="utf-8") as file:
                file.write("".join(to_line(line) + "\n" for line in own))

    def answers_of(self, index: int) -> list[Response]:
        """A part's answers, in the order of its rows."""
        return [
            Response(**self.answered[row.key].model_dump(exclude={"plan", "batch"}))
            for row in self.rows
            if row.part == index
        ]


def _plan_of(rows: Sequence[_Row], limits: tuple[int, int], parts: Mapping[int, Part]) -> str:
    """A name for who answers what in which batches."""
    questions = [[parts[row.part].system, *row.key[1:], len(row.tokens)] for row in rows]
    return sha256_text(json.dumps([limits, questions]))[:16]


def _begun(path: Path) -> list[_Written]:
    """The answers that an interrupted run left; a line that was being written is dropped."""
    if not path.exists():
        return []
    whole = path.read_bytes().rpartition(b"\n")
    if whole[2]:
        path.write_bytes(whole[0] + whole[1])
    return list(read_jsonl(path, _Written))


def _written(
    part: Part, responses: Sequence[Response], dtype: str, facts: Mapping[str, Any]
) -> dict[str, Any]:
    write_jsonl(part.folder / "responses.jsonl", responses)
    (part.folder / _AS_THEY_COME).unlink(missing_ok=True)
    stopped = sum(response.finish_reason == "stop" for response in responses)
    told = [f"{len(responses)} answers, {len(responses) - stopped} cut at the length limit"]
    return {
        **{key: value for key, value in facts.items() if key != "told"},
        "responses": len(responses),
        "stopped": stopped,
        "device": loading.device(),
        "precision": dtype,
        "summary": "; ".join([*told, *facts["told"]]),
    }
