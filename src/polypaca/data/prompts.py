"""Test prompts: one file a language, parallel by position, sharing ids."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import ValidationError

from polypaca.core.errors import DataError
from polypaca.core.files import read_jsonl
from polypaca.core.languages import is_language
from polypaca.core.readers import Defects, OnBadRow, Row, read_rows, row_text
from polypaca.core.records import Prompt, Rejected, Repaired
from polypaca.data.fields import FieldError, id_field, other_fields, text_field
from polypaca.data.patterns import PLACEHOLDER, file_for

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_RECORD_FIELDS = frozenset(Prompt.model_fields)


@dataclass(frozen=True)
class LoadedPrompts:
    """The prompts of a test set, and the rows that are missing from them or were changed."""

    prompts: dict[str, list[Prompt]]  # by language, in file order
    rejected: list[Rejected]
    repaired: list[Repaired]
    unrelated: list[str]  # languages that share no id with the first: prompts of their own


@dataclass
class _PromptFile:
    """One language's file while its ids are compared with the others'."""

    language: str
    prompts: dict[int, tuple[Row, Prompt]]  # by the row's number in the file
    size: int  # rows, good or bad
    defects: Defects

    def ids(self) -> Counter[str]:
        return Counter(prompt.id for _, prompt in self.prompts.values())

    def drop(self, number: int, reason: str) -> None:
        row, _ = self.prompts[number]
        self.defects.bad(row.line, reason, row_text(row.fields), column="id")
        del self.prompts[number]


def load_prompts(
    pattern: str | Path, languages: Sequence[str], *, on_bad_row: OnBadRow
) -> LoadedPrompts:
    """Read the test prompts of several languages, as `read_prompt_files` does.

    Args:
        pattern: the path, with `{language}` where the language's code stands.
        languages: the codes, as the file names have them.
        on_bad_row: what to do with rows that cannot be used, see `readers.read_rows`.

    Raises:
        DataError: if a file does not exist or has no usable row, or, under `error`, any bad row.
    """
    if PLACEHOLDER not in str(pattern) and len(languages) > 1:
        raise DataError(
            f"is a single file, but there are {len(languages)} languages",
            path=str(pattern),
            hint=f"use {PLACEHOLDER} where the file names differ",
        )
    files = {language: file_for(pattern, language) for language in languages}
    return read_prompt_files(files, on_bad_row=on_bad_row)


def read_prompt_files(paths: Mapping[str, Path], *, on_bad_row: OnBadRow) -> LoadedPrompts:
    """Read the test prompts of several languages, one file each.

    White space around a prompt is always removed, on record. Files with the same number of rows
    are compared by position: an id that most other files do not have there is a bad row, which
    `repair` mends by taking theirs. Languages whose prompts have ids of their own throughout, or
    stand in another order, are left as they are.

    Args:
        paths: the files, by language.
        on_bad_row: what to do with rows that cannot be used, see `readers.read_rows`.

    Raises:
        DataError: if a file has no usable row, or, under `error`, any bad row.
    """
    files = [_read(path, language, on_bad_row) for language, path in paths.items()]
    # Rows can be compared by position only between files of one length: the commonest one.
    lengths = Counter(file.size for file in files)
    parallel = [file for file in files if file.size == lengths.most_common(1)[0][0]]
    if len(parallel) > 1:
        _repair_ids(parallel)
    for file in files:
        _refuse_duplicates(file)
        if not file.prompts:
            file.defects.refuse_file()
    return LoadedPrompts(
        {file.language: [prompt for _, prompt in file.prompts.values()] for file in files},
        [row for file in files for row in sorted(file.defects.rejected, key=_line)],
        [row for file in files for row in sorted(file.defects.repaired, key=_line)],
        [file.language for file in files[1:] if not file.ids().keys() & files[0].ids().keys()],
    )


def limit_prompts(
    prompts_by_language: Mapping[str, Sequence[Prompt]], count: int
) -> dict[str, list[Prompt]]:
    """Keep `count` prompts a language: the same ones in every language as far as they are shared.

    The first `count` ids (in the order of the first language) that every language has are kept; a
    language is filled up with its own first prompts where there are not enough of them.
    """
    languages = list(prompts_by_language.values())
    if not languages:
        return {}
    everywhere = set.intersection(*({prompt.id for prompt in rows} for rows in languages))
    shared = [prompt.id for prompt in languages[0] if prompt.id in everywhere][:count]
    limited = {}
    for language, rows in prompts_by_language.items():
        further = [prompt.id for prompt in rows if prompt.id not in everywhere]
        chosen = {*shared, *further[: count - len(shared)]}
        limited[language] = [prompt for prompt in rows if prompt.id in chosen]
    return limited


def _line(row: Rejected | Repaired) -> int:
    return row.line


def _read(path: Path, language: str, on_bad_row: OnBadRow) -> _PromptFile:
    read = read_rows(path, on_bad_row=on_bad_row)
    size = len(read.rows) + len(read.rejected)
    defects = Defects(str(path), on_bad_row, read.rejected, read.repaired)
    prompts = {}
    for row in read.rows:
        try:
            prompt, stripped = _prompt(row, language)
        except FieldError as error:
            defects.bad(row.line, error.reason, row_text(row.fields), column=error.field)
            continue
        if stripped:
            defects.mended(row.line, "white space around the prompt removed")
        prompts[row.number] = (row, prompt)
    return _PromptFile(language, prompts, size, defects)


def _prompt(row: Row, language: str) -> tuple[Prompt, bool]:
    name = id_field(row.fields)
    if name is None:
        raise FieldError("id", "is missing")
    text = text_field(row.fields, "prompt")
    values = {
        **other_fields(row.fields, _RECORD_FIELDS, "id prompt reference category gate"),
        **{key: row.fields.get(key) for key in ("reference", "category")},
        # A table has nulls where a row of JSON has no such field.
        **({} if row.fields.get("gate") is None else {"gate": row.fields["gate"]}),
        "id": name,
        "language": language,
        "prompt": text.strip(),
    }
    try:
        return Prompt.model_validate(values), text != text.strip()
    except ValidationError as error:
        first = error.errors()[0]
        raise FieldError(str(first["loc"][0]), first["msg"]) from error


def _repair_ids(files: Sequence[_PromptFile]) -> None:
    """Find ids that are slips: the other files have one id at that position, this one another."""
    votes: dict[int, Counter[str]] = {}
    for file in files:  # in order: where ids are equally common, the first language's counts
        for number, (_, prompt) in file.prompts.items():
            votes.setdefault(number, Counter())[prompt.id] += 1
    expected = {number: counter.most_common(1)[0][0] for number, counter in votes.items()}
    known = set(expected.values())
    for file in files:
        ids = file.ids()
        slips = [
            number
            for number, (_, prompt) in file.prompts.items()
            # Not a slip: an id that belongs to another position. The rows stand in another order
            # then, and to go by position would give a prompt the id of another.
            if expected[number] not in ids and (prompt.id not in known or ids[prompt.id] > 1)
        ]
        agreeing = sum(prompt.id == expected[n] for n, (_, prompt) in file.prompts.items())
        if len(slips) > agreeing:
            continue  # not slips but ids of its own
        for number in slips:
            having = votes[number][expected[number]]
            _repair_id(file, number, expected[number], f"{having} of {len(files)} languages have")


def _repair_id(file: _PromptFile, number: int, new: str, majority: str) -> None:
    row, prompt = file.prompts[number]
    old = prompt.id
    if file.defects.on_bad_row != "repair":
        file.drop(number, f"is {old!r} where {majority} {new!r}")
        return
    file.prompts[number] = (row, prompt.model_copy(update={"id": new}))
    file.defects.mended(row.line, f"id {old!r} replaced by {new!r}, which {majority} there")


def _refuse_duplicates(file: _PromptFile) -> None:
    lines: dict[str, int] = {}
    for number, (row, prompt) in list(file.prompts.items()):
        if prompt.id in lines:
            file.drop(
                number, f"{prompt.id!r} is used twice, in lines {lines[prompt.id]} and {row.line}"
            )
        else:
            lines[prompt.id] = row.line


def prompt_languages(folder: Path) -> list[str]:
    """The languages of a folder of prepared prompts, sorted."""
    names = (path.stem for path in folder.glob("*.jsonl"))
    return sorted(name for name in names if is_language(name))


def prepared_prompts(folder: Path, languages: Sequence[str] | None = None) -> list[Prompt]:
    """Prepared prompts of some languages, or all, one language after the other."""
    return [
        prompt
        for language in (prompt_languages(folder) if languages is None else languages)
        for prompt in read_jsonl(folder / f"{language}.jsonl", Prompt)
    ]


def prompts_by_id(folder: Path) -> dict[str, dict[str, Prompt]]:
    """Prepared prompts by id and language; translations of one prompt share its id."""
    grouped: dict[str, dict[str, Prompt]] = {}
    for prompt in prepared_prompts(folder):
        grouped.setdefault(prompt.id, {})[prompt.language] = prompt
    return grouped


def references_by_language(prompts: Mapping[str, Prompt]) -> dict[str, str]:
    """The references of one prompt's translations, where they have one; both by language."""
    return {code: prompt.reference for code, prompt in prompts.items() if prompt.reference}
