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
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from polypaca.core.errors import UserError
from polypaca.core.files import read_jsonl, sha256_text, to_line, write_jsonl
from polypaca.core.records import Response
from polypaca.data.prompts import in_languages
from polypaca.generation import transformers_backend as backend
from polypaca.generation.adapters import with_adapters
from polypaca.generation.batching import check_room, encode, plan_batches
from polypaca.generation.contract import Decoding
from polypaca.models import loading
from polypaca.models.templates import Template, load_template

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from polypaca.core.records import Prompt
    from polypaca.generation.adapters import Adapters
    from polypaca.generation.contract import Answer

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
    batch_size: int = 16

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
        if not left:
            return
        rows = [row for index, part in left.items() for row in _rows(index, part, tokenizer)]
        decoding = Decoding(**first.decoding)
        check_room(model, [len(row.tokens) for row in rows], decoding.max_new_tokens)
        batches = _Batches(left, rows, first.batch_size)
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
        yield index, _written(part, batches.answers_of(index), dtype)


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


def _rows(index: int, part: Part, tokenizer: Any) -> list[_Row]:
    template = load_template(part.template, tokenizer)
    asked = in_languages(part.prompts, part.languages)
    texts = [template.render(prompt.prompt) for prompt in asked]
    tokens = encode(tokenizer, texts, template.special_tokens)
    adapter = part.system if part.adapter else None
    return [
        _Row(index, prompt, template, ids, adapter)
        for prompt, ids in zip(asked, tokens, strict=True)
    ]


class _Batches:
    """The batches of a pass, and what is answered of them, on disk and in memory.

    A batch that was not written whole is answered again whole: what is left of it would make other
    batches of those that follow, and rounding differs with a batch's shape.
    """

    def __init__(self, parts: Mapping[int, Part], rows: Sequence[_Row], batch_size: int) -> None:
        self.parts, self.rows = parts, rows
        written = {
            (index, line.language, line.prompt_id): line
            for index, part in parts.items()
            for line in _begun(part.folder / _AS_THEY_COME)
        }
        self.plan = _plan_of(rows, batch_size, parts)
        # Of an earlier plan, among other systems: answers all the same.
        self.answered: dict[tuple[int, str, str], Response] = {
            key: line for key, line in written.items() if line.plan != self.plan
        }
        todo = [row for row in rows if row.key not in self.answered]
        planned = plan_batches([len(row.tokens) for row in todo], batch_size)
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


def _plan_of(rows: Sequence[_Row], batch_size: int, parts: Mapping[int, Part]) -> str:
    """A name for who answers what in which batches."""
    asked = [[parts[row.part].system, *row.key[1:], len(row.tokens)] for row in rows]
    return sha256_text(json.dumps([batch_size, asked]))[:16]


def _begun(path: Path) -> list[_Written]:
    """The answers that an interrupted run left; a line that was being written is dropped."""
    if not path.exists():
        return []
    whole = path.read_bytes().rpartition(b"\n")
    if whole[2]:
        path.write_bytes(whole[0] + whole[1])
    return list(read_jsonl(path, _Written))


def _written(part: Part, responses: Sequence[Response], dtype: str) -> dict[str, Any]:
    write_jsonl(part.folder / "responses.jsonl", responses)
    (part.folder / _AS_THEY_COME).unlink(missing_ok=True)
    stopped = sum(response.finish_reason == "stop" for response in responses)
    return {
        "responses": len(responses),
        "stopped": stopped,
        "device": loading.device(),
        "precision": dtype,
        "summary": f"{len(responses)} answers, {len(responses) - stopped} cut at the length limit",
    }
