"""Answers that were made elsewhere: one file a language, with the prompts' ids."""

from __future__ import annotations

from typing import TYPE_CHECKING

from polypaca.core.errors import DataError
from polypaca.core.records import Prompt, Response
from polypaca.data.fields import FieldError, id_field, text_field
from polypaca.data.readers import Row, read_rows

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path


def read_answers(path: Path, prompts: Sequence[Prompt], *, system: str) -> list[Response]:
    """One system's answers in the language of `prompts`, in their order.

    A row has `response` and the prompt's `id` (or `prompt_id`); a file without any id has one row a
    prompt, in order. An empty response is an answer. Prompts may lack one.

    Args:
        path: a JSONL, JSON or Parquet file.
        prompts: the test prompts of its language.
        system: the name of what answered.

    Raises:
        DataError: with file and line, if a row has no response or an id that is no prompt's, if a
            prompt is answered twice, or if rows without ids are not as many as prompts.
    """
    try:
        rows = read_rows(path, on_bad_row="error").rows
    except DataError as error:
        # Without the hint at a setting that answers do not have.
        raise DataError(error.what, path=error.path, line=error.line, field=error.field) from None
    names = [_id(row, path) for row in rows]
    if not any(names):
        if len(rows) != len(prompts):
            what = f"{len(rows)} answers without ids to {len(prompts)} prompts"
            raise DataError(what, path=path, hint="give each row the `id` of its prompt")
        names = [prompt.id for prompt in prompts]
    by_id = {prompt.id: prompt for prompt in prompts}
    found: dict[str, Response] = {}
    for row, name in zip(rows, names, strict=True):
        prompt = by_id.get(name or "")
        if prompt is None:
            raise DataError(_unknown(name, by_id), path=path, line=row.line, field="id")
        if prompt.id in found:
            raise DataError(f"prompt {name!r} is answered twice", path=path, line=row.line)
        found[prompt.id] = Response(
            system=system,
            prompt_id=prompt.id,
            language=prompt.language,
            response=_text(row, path),
            finish_reason="given",
        )
    return [found[prompt.id] for prompt in prompts if prompt.id in found]


def _id(row: Row, path: Path) -> str | None:
    try:
        return id_field({"id": row.fields.get("prompt_id", row.fields.get("id"))})
    except FieldError as error:
        raise DataError(error.reason, path=path, line=row.line, field=error.field) from None


def _text(row: Row, path: Path) -> str:
    text = row.fields.get("response")
    if text == "":
        return ""
    try:
        return text_field(row.fields, "response")
    except FieldError as error:
        raise DataError(error.reason, path=path, line=row.line, field=error.field) from None


def _unknown(name: str | None, known: Collection[str]) -> str:
    if name is None:
        return "is missing, though other rows have one"
    few = ", ".join(list(known)[:3])
    return f"{name!r} is the id of no prompt; they are {few}, …"
