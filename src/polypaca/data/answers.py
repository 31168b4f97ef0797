"""Answers that were made elsewhere: one file a language, with the prompts' ids."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from polypaca.core.errors import DataError
from polypaca.core.readers import Row, read_rows
from polypaca.core.records import Prompt, Response
from polypaca.data.fields import FieldError, id_field, text_field

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path


@dataclass(frozen=True)
class LoadedAnswers:
    """One system's answers in one language."""

    responses: list[Response]  # in the order of the prompts
    not_asked: int  # rows that answer prompts of the test set that the study leaves out


def read_answers(
    path: Path, prompts: Sequence[Prompt], *, system: str, all_ids: Sequence[str] = ()
) -> LoadedAnswers:
    """One system's answers in the language of `prompts`, in their order.

    A row has `response` and the prompt's `id` (or `prompt_id`); a file without any id has one row a
    prompt, in order: of those that are asked, or of the whole test set. An empty response is an
    answer. Prompts may lack one.

    Args:
        path: a JSONL, JSON or Parquet file.
        prompts: the prompts of its language that are asked.
        system: the name of what answered.
        all_ids: of the whole test set, in its order, where only some prompts are asked.

    Raises:
        DataError: with file and line, if a row has no response or an id that is no prompt's, if a
            prompt is answered twice, or if rows without ids are not as many as prompts.
    """
    rows = read_rows(path).rows
    names = [_id(row, path) for row in rows]
    if not any(names):
        names = list(_in_order(len(rows), [prompt.id for prompt in prompts], all_ids, path))
    left_out = set(all_ids) - {prompt.id for prompt in prompts}
    not_asked = sum(name in left_out for name in names)
    by_id = {prompt.id: prompt for prompt in prompts}
    responses: dict[str, Response] = {}
    for row, name in zip(rows, names, strict=True):
        if name in left_out:
            continue
        prompt = by_id.get(name or "")
        if prompt is None:
            raise DataError(_unknown(name, by_id), path=path, line=row.line, field="id")
        if prompt.id in responses:
            raise DataError(f"prompt {name!r} is answered twice", path=path, line=row.line)
        responses[prompt.id] = Response(
            system=system,
            prompt_id=prompt.id,
            language=prompt.language,
            response=_text(row, path),
            finish_reason="given",
        )
    ordered = [responses[prompt.id] for prompt in prompts if prompt.id in responses]
    return LoadedAnswers(ordered, not_asked)


def _in_order(
    rows: int, prompt_ids: Sequence[str], all_ids: Sequence[str], path: Path
) -> Sequence[str]:
    """The ids of the prompts that rows without ids answer."""
    if rows == len(prompt_ids):
        return prompt_ids
    if all_ids and rows == len(all_ids):
        return all_ids
    whole = f" (of {len(all_ids)} in the test set)" if all_ids else ""
    message = f"{rows} answers without ids to {len(prompt_ids)} prompts{whole}"
    raise DataError(message, path=path, hint="add the `id` of its prompt to each row")


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


def _unknown(name: str | None, prompt_ids: Collection[str]) -> str:
    if name is None:
        return "is missing, though other rows have one"
    few = ", ".join(list(prompt_ids)[:3])
    return f"{name!r} is not the id of a prompt; ids are such as {few}"
