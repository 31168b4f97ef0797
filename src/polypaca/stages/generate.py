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
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from polypaca.core.errors import StageError, UserError
from polypaca.core.files import read_jsonl, sha256_text, to_line, write_jsonl
from polypaca.core.folders import ResponseFacts, ResponsesFolder
from polypaca.core.missing import Missing, Wanted, failures
from polypaca.core.records import Response
from polypaca.core.settings import deciding
from polypaca.core.work import INPUT, Context, SharedWork
from polypaca.data.prompts import prepared_prompts
from polypaca.generation import transformers_backend as backend
from polypaca.generation.adapters import with_adapters
from polypaca.generation.batching import check_context_length, max_positions, plan_batches
from polypaca.generation.contract import Decoding
from polypaca.generation.openai_backend import UNFINISHED
from polypaca.generation.prompts import encode_prompts, join_names, prompt_limit
from polypaca.llm.thoughts import opens_thoughts, strip_thoughts
from polypaca.models import loading
from polypaca.models.templates import Template, load_template

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from polypaca.core.folders import BaseFolder, CellFolder, PromptsFolder
    from polypaca.core.records import Prompt
    from polypaca.core.settings import Json
    from polypaca.core.work import Outcomes
    from polypaca.generation.adapters import Adapters
    from polypaca.generation.contract import Answer, Generate
    from polypaca.generation.prompts import EncodedPrompts, Limit

_PARTIAL = "partial.jsonl"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class AnswerPrompts(SharedWork[ResponsesFolder]):
    """One system's answers to the prompts, by a model that is loaded here."""

    step, stage, format_number = "generate", "generate", 3
    makes = ResponsesFolder

    prompts: PromptsFolder
    base: BaseFolder
    checkpoint: CellFolder | None = field(default=None, metadata=INPUT)
    system: str
    languages: Sequence[str]
    template: str
    generate: Generate

    def decides(self) -> Json:
        """How answers are decoded is kept apart from the rest of `generate`."""
        decoding = self.generate.decoding
        rest = deciding(self.generate)
        return {
            "system": self.system,
            "languages": list(self.languages),
            "decoding": deciding(decoding),
            **{key: value for key, value in rest.items() if key not in Decoding.model_fields},
            "template": self.template,
        }

    @classmethod
    def run_all(cls, parts: Sequence[tuple[AnswerPrompts, Context]]) -> Outcomes:
        """Let every part's system answer its prompts.

        Which prompts share a batch is decided by all parts of a pass together. Answers in float32
        do not depend on it; in bfloat16 some differ by it in their wording.
        """
        import torch

        torch.set_num_threads(parts[0][1].threads)
        for passed in _passes([work for work, _ in parts]):
            left = set(passed)
            try:
                for index, result in _pass({index: _Part(*parts[index]) for index in passed}):
                    left.discard(index)
                    yield index, result
            except UserError as error:
                for index in sorted(left):
                    yield index, error

    @property
    def model(self) -> Path:
        """The folder of the model that answers: the base, or the fully tuned model."""
        tuned = self.checkpoint.model if self.checkpoint else None
        return tuned if tuned and tuned.is_dir() else self.base.path

    @property
    def adapter(self) -> Path | None:
        """The folder of the adapter that answers, if one does."""
        if self.checkpoint is None or self.model != self.base.path:
            return None
        return self.checkpoint.adapter


class _Part(NamedTuple):
    work: AnswerPrompts
    context: Context


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
    """An answer in `partial.jsonl`, with its batch and the plan of batches."""

    plan: str
    batch: int


def _passes(works: Sequence[AnswerPrompts]) -> list[list[int]]:
    """Indices of works with the same model and decoding, which share batches."""
    groups: dict[tuple[Any, ...], list[int]] = {}
    for index, work in enumerate(works):
        settings, chat = work.generate, work.template == "chat"
        key = (work.model, settings.precision, settings.decoding, settings.seed, chat)
        groups.setdefault(key, []).append(index)
    return list(groups.values())


def _pass(parts: dict[int, _Part]) -> Outcomes:
    first = next(iter(parts.values())).work
    dtype = loading.training_dtype(first.generate.precision)
    model = loading.cached_model(first.model, dtype)
    tokenizer = loading.load_tokenizer(first.model)
    with ExitStack() as stack:
        adapters, errors = _load_adapters(model, parts, stack)
        for index, error in errors.items():
            yield index, error
        left = {index: part for index, part in parts.items() if index not in errors}
        table = max_positions(model)
        rows: list[_Row] = []
        prompts: dict[int, _Prompts] = {}
        for index, part in list(left.items()):
            try:
                encoded_rows, encoded = _rows(index, part.work, tokenizer, table)
            except UserError as error:
                # Other systems may not be asked what is too long.
                yield index, error
                del left[index]
                continue
            rows += encoded_rows
            prompts[index] = _prompts(encoded, encoded_rows, model, first.generate.max_new_tokens)
        if not left:
            return
        batches = _Batches(left, rows)
        progress = left[min(left)].context.progress
        for number, batch in batches.left():
            answers = backend.answer_batch(
                model,
                tokenizer,
                [row.tokens for row in batch],
                first.generate,
                adapters=adapters,
                names=[row.adapter for row in batch],
                stop=batch[0].template.stop,
                ends=tokenizer.convert_tokens_to_ids(list(batch[0].template.ends)),
                seed=int(sha256_text(f"{first.generate.seed}|{number}")[:12], 16),
            )
            batches.add(number, batch, answers)
            done, total = len(batches.answered), len(rows)
            progress(done / total, f"{done}/{total} answers")
    for index, part in left.items():
        opens = batches.opens(index)
        yield index, _written(part, batches.answers_of(index), dtype, prompts[index], opens=opens)


def _load_adapters(
    model: Any, parts: Mapping[int, _Part], stack: ExitStack
) -> tuple[Adapters, dict[int, Exception]]:
    """Load all adapters; returns errors for those that cannot be used."""
    folders = {work.system: work.adapter for work, _ in parts.values()}
    wanted = {name: folder for name, folder in folders.items() if folder is not None}
    try:
        return stack.enter_context(with_adapters(model, wanted)), {}
    except UserError as error:
        _log.warning("%s; looking for the adapters that can be used", error)
    errors: dict[int, Exception] = {}
    for index, (work, _) in parts.items():
        if work.adapter is None:
            continue
        try:
            with with_adapters(model, {work.system: work.adapter}):
                pass
        except UserError as error:
            errors[index] = error
            del wanted[work.system]
    return stack.enter_context(with_adapters(model, wanted)), errors


def _rows(
    index: int, work: AnswerPrompts, tokenizer: Any, positions: int | None
) -> tuple[list[_Row], EncodedPrompts]:
    template = load_template(work.template, tokenizer)
    prompts = prepared_prompts(work.prompts.path, work.languages)
    encoded = encode_prompts(
        tokenizer,
        [(f"{prompt.id} ({prompt.language})", prompt.prompt) for prompt in prompts],
        template.render,
        _limit(work.generate, positions),
        special_tokens=template.special_tokens,
    )
    adapter = work.system if work.adapter else None
    rows = [
        _Row(index, prompt, template, ids, adapter)
        for prompt, ids in zip(prompts, encoded.tokens, strict=True)
    ]
    return rows, encoded


def _limit(generate: Generate, positions: int | None) -> Limit:
    limit = prompt_limit(generate.max_prompt_tokens, generate.on_long_prompt)
    new = generate.max_new_tokens
    if positions is None or positions - new >= limit.tokens:
        return limit
    why = f"the model has {positions:,} positions, and {new:,} are for the answer"
    more = "Lower generate.max_new_tokens"
    return replace(limit, tokens=max(0, positions - new), why=why, more=more)


@dataclass(frozen=True)
class _Prompts:
    """What the facts of a part say of its prompts."""

    cut: list[str]
    special: list[str]
    past_context: int
    date: str | None
    notes: list[str]  # for the summary


def _prompts(encoded: EncodedPrompts, rows: Sequence[_Row], model: Any, new: int) -> _Prompts:
    texts: list[str] = []
    for names, what in (
        (encoded.cut, "cut at the limit"),
        (encoded.special, "with special tokens that could not be kept text"),
    ):
        if names:
            texts.append(f"{len(names)} prompts {what}: {join_names(names)}")
            _log.warning("%s", texts[-1])
    beyond = check_context_length(model, [len(row.tokens) for row in rows], new)
    if beyond:
        texts.append(f"{beyond} prompts with their answers may exceed the model's context length")
    date = rows[0].template.date if rows else None
    return _Prompts(encoded.cut, encoded.special, beyond, date, texts)


class _Batches:
    """The batches of a pass and their answers so far, on disk and in memory.

    A batch that was not written completely is answered again completely: its rest would change the
    batches that follow, and rounding differs with a batch's shape.
    """

    def __init__(self, parts: Mapping[int, _Part], rows: Sequence[_Row]) -> None:
        self.parts, self.rows = parts, rows
        written = {
            (index, line.language, line.prompt_id): line
            for index, part in parts.items()
            for line in _read_partial(part.context.folder / _PARTIAL)
        }
        settings = next(iter(parts.values())).work.generate
        limits = settings.batch_size, settings.batch_tokens
        self.plan = _plan_hash(rows, limits, parts)
        # Answers of an earlier plan, with other systems, count as well.
        self.answered: dict[tuple[int, str, str], Response] = {
            key: line for key, line in written.items() if line.plan != self.plan
        }
        todo = [row for row in rows if row.key not in self.answered]
        lengths = [(len(row.tokens) + settings.max_new_tokens) * settings.num_beams for row in todo]
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
                system=self.parts[row.part].work.system,
                prompt_id=row.prompt.id,
                language=row.prompt.language,
                response=row.template.cut(answer.text),
                finish_reason=answer.finish_reason,
                plan=self.plan,
                batch=number,
            )
            self.answered[row.key] = line
            lines.setdefault(row.part, []).append(line)
        for index, written in lines.items():
            path = self.parts[index].context.folder / _PARTIAL
            with path.open("a", encoding="utf-8") as file:
                file.write("".join(to_line(line) + "\n" for line in written))

    def answers_of(self, index: int) -> list[Response]:
        """A part's answers, in the order of its rows."""
        return [
            Response(**self.answered[row.key].model_dump(exclude={"plan", "batch"}))
            for row in self.rows
            if row.part == index
        ]

    def opens(self, index: int) -> bool:
        """Whether a part's template ends its prompts with the mark that opens thoughts."""
        row = next((row for row in self.rows if row.part == index), None)
        return row is not None and opens_thoughts(row.template.render(row.prompt.prompt))


def _plan_hash(rows: Sequence[_Row], limits: tuple[int, int], parts: Mapping[int, _Part]) -> str:
    """A hash of which systems answer which prompts in which batches."""
    questions = [[parts[row.part].work.system, *row.key[1:], len(row.tokens)] for row in rows]
    return sha256_text(json.dumps([limits, questions]))[:16]


def _read_partial(path: Path) -> list[_Written]:
    """The answers of an interrupted run; an incomplete last line is dropped."""
    if not path.exists():
        return []
    whole = path.read_bytes().rpartition(b"\n")
    if whole[2]:
        path.write_bytes(whole[0] + whole[1])
    return list(read_jsonl(path, _Written))


def _written(
    part: _Part, responses: Sequence[Response], dtype: str, prompts: _Prompts, *, opens: bool
) -> ResponseFacts | Exception:
    """Write the answers without thoughts; one that ends within its thoughts counts as missing."""
    visible = strip_thoughts(responses, opened=opens)
    missing = [Missing(UNFINISHED, lasting=True)] * visible.unfinished
    wanted = Wanted("prompts got no answer", len(responses), "generate.missing")
    try:
        failed = failures(wanted, missing, part.work.generate.missing)
    except StageError as error:
        return error
    folder = part.context.folder
    write_jsonl(folder / "responses.jsonl", visible.answers)
    (folder / _PARTIAL).unlink(missing_ok=True)
    count = len(visible.answers)
    stopped = sum(response.finish_reason == "stop" for response in visible.answers)
    texts = [f"{count} answers, {count - stopped} cut at the length limit"]
    if missing:
        texts.append(f"{len(missing)} prompts without an answer: {UNFINISHED}")
    return ResponseFacts(
        responses=count,
        missing=len(missing),
        failed=failed,
        stopped=stopped,
        thoughts=visible.thoughts,
        device=loading.device(),
        precision=dtype,
        cut_prompts=prompts.cut,
        special_prompts=prompts.special,
        past_context=prompts.past_context,
        chat_date=prompts.date,
        summary="; ".join([*texts, *prompts.notes]) + visible.summary,
    )
