"""Instruction data of any known format, read into Alpaca's `instruction`, `input` and `output`.

An optional `id` tells which rows of different languages are translations of one another.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polypaca.core.errors import DataError
from polypaca.core.readers import Defects, OnBadRow, Row, read_rows, row_text
from polypaca.core.records import Example, Rejected, Repaired
from polypaca.data.columns import is_empty
from polypaca.data.entities import find_entities, unescape_entities
from polypaca.data.fields import FieldError, id_field, other_fields
from polypaca.data.formats import (
    AUTO,
    FORMATS,
    check_format,
    describe_formats,
    find_format,
    read_exchange,
)
from polypaca.data.patterns import file_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from polypaca.core.records import Split
    from polypaca.data.formats import Exchange

_RECORD_FIELDS = frozenset(Example.model_fields)


@dataclass(frozen=True)
class UnsplitExample:
    """An example whose split is not decided yet."""

    source: str
    language: str
    instruction: str
    input: str
    output: str
    origin: str
    others: dict[str, Any]  # the row's further fields, as they came
    line: int = 0  # where the row stands in its file

    def texts(self) -> tuple[str, str, str]:
        """Instruction, input and output."""
        return self.instruction, self.input, self.output

    def example(self, split: Split) -> Example:
        """The item as a record."""
        return Example.model_validate(
            {
                **self.others,
                "id": f"{self.source}.{self.language}",
                "source": self.source,
                "split": split,
                "language": self.language,
                "instruction": self.instruction,
                "input": self.input,
                "output": self.output,
                "origin": [self.origin],
            }
        )


@dataclass(frozen=True)
class LoadedInstructions:
    """One language's items, and the rows that are missing from them or were changed."""

    items: list[UnsplitExample]
    rejected: list[Rejected]
    repaired: list[Repaired]
    numbered: bool  # no row has an id: sources are row numbers, parallel only if the files are
    format: str  # a name of `formats.FORMATS`
    further_turns: int  # rows of which only the first exchange was used; each is in `repaired`
    no_input: int = 0  # rows whose input said that there is none; each is in `repaired`
    not_read: tuple[str, ...] = ()  # columns that hold something and were kept aside


def load_instructions(
    pattern: str | Path,
    language: str,
    *,
    on_bad_row: OnBadRow,
    label: str | None = None,
    format: str = AUTO,
) -> LoadedInstructions:
    """Read one language's instruction file.

    Of a conversation the first exchange is used. Where more follows, that is on record, and so is
    an input that only says that there is none.

    Args:
        pattern: the path, with `{language}` where the language's code stands.
        language: the code, as the file name has it.
        on_bad_row: what to do with rows that cannot be used, see `readers.read_rows`.
        label: the data set's name in each example's `origin`; the pattern's last part by default.
        format: a name of `formats.FORMATS`, or `auto`: the first row that has all fields of a
            format decides for the file, and rows of another format are bad rows.

    Raises:
        DataError: if there is no such file, no usable row, no known format, or, under `error`, any
            bad row.
        UserError: if no format has that name.
    """
    check_format(format)
    path = file_for(pattern, language)
    read = read_rows(path, on_bad_row=on_bad_row)
    defects = Defects(str(path), on_bad_row, read.rejected, read.repaired)
    return _items(read.rows, language, defects, label or Path(pattern).name, format)


def instructions_from_rows(
    rows: Iterable[Mapping[str, Any]],
    language: str,
    *,
    on_bad_row: OnBadRow,
    label: str,
    format: str = AUTO,
) -> LoadedInstructions:
    """Check rows that are in memory already: a built-in corpus, a Hub data set.

    Args:
        rows: mappings with the fields of the format.
        language: the language of all of them.
        on_bad_row: what to do with rows that cannot be used, see `readers.read_rows`.
        label: the data set's name, in each example's `origin` and in messages.
        format: as for `load_instructions`.

    Raises:
        DataError: if there is no usable row, no known format, or, under `error`, any bad row.
        UserError: if no format has that name.
    """
    check_format(format)
    numbered = [Row(number, number, dict(row)) for number, row in enumerate(rows, start=1)]
    defects = Defects(f"{label} ({language})", on_bad_row)
    return _items(numbered, language, defects, label, format)


def without_entities(read: LoadedInstructions) -> LoadedInstructions:
    """The rows with their HTML entities replaced by what they stand for, on record."""
    items, repaired = [], list(read.repaired)
    for item in read.items:
        entities = [text for text in item.texts() for text in find_entities(text)]
        plain = replace(
            item,
            instruction=unescape_entities(item.instruction),
            input=unescape_entities(item.input),
            output=unescape_entities(item.output),
        )
        if plain != item:
            names = ", ".join(dict.fromkeys(entities))
            repair = f"HTML entities replaced ({names})"
            repaired.append(Repaired(file=item.origin, line=item.line, repair=repair))
        items.append(plain)
    return replace(read, items=items, repaired=repaired)


def _items(
    rows: Sequence[Row], language: str, defects: Defects, label: str, format_name: str
) -> LoadedInstructions:
    name = _format_of(rows, defects.file) if format_name == AUTO else format_name
    # Row numbers and ids of one file would not fit together as names: it is one or the other.
    with_ids = any(row.fields.get("id") is not None for row in rows)
    items: list[UnsplitExample] = []
    lines: dict[str, int] = {}
    counts: Counter[str] = Counter()
    not_read: dict[str, None] = {}
    for row in rows:
        try:
            exchange = read_exchange(row.fields, name, detected=format_name == AUTO)
            item = _item(row, language, label, exchange, with_ids=with_ids)
            if item.source in lines:
                raise FieldError(
                    "id",
                    f"{item.source!r} is used twice, in lines {lines[item.source]} and {row.line}",
                )
        except FieldError as error:
            defects.bad(row.line, error.reason, row_text(row.fields), column=error.field)
            continue
        if exchange.further_messages:
            count = exchange.further_messages
            messages = "1 message" if count == 1 else f"{count} messages"
            defects.mended(row.line, f"further turns left out ({messages})")
        for repair in exchange.repairs:
            defects.mended(row.line, repair)
        counts.update(turns=bool(exchange.further_messages), nothing=bool(exchange.repairs))
        used = ("id", *exchange.used)
        not_read |= dict.fromkeys(
            column
            for column, value in row.fields.items()
            if column not in used and not is_empty(value)
        )
        lines[item.source] = row.line
        items.append(item)
    if not items:
        defects.refuse_file()
    return LoadedInstructions(
        items,
        defects.rejected,
        defects.repaired,
        not with_ids,
        name,
        further_turns=counts["turns"],
        no_input=counts["nothing"],
        not_read=tuple(not_read),
    )


def _format_of(rows: Sequence[Row], file: str) -> str:
    name = find_format([row.fields for row in rows])
    if name is None and rows:
        raise DataError(
            f"its fields match no instruction format ({', '.join(rows[0].fields) or 'none'})",
            path=file,
            line=rows[0].line,
            hint=f"rename them to those of a format: {describe_formats()}; a task's context goes "
            "into `input` or `context`",
        )
    return name or next(iter(FORMATS))


def _item(
    row: Row, language: str, label: str, exchange: Exchange, *, with_ids: bool
) -> UnsplitExample:
    source = id_field(row.fields)
    if source is None:
        if with_ids:
            raise FieldError("id", "is missing, though other rows of the file have one")
        source = str(row.number)
    return UnsplitExample(
        source=source,
        language=language,
        instruction=exchange.instruction,
        input=exchange.input,
        output=exchange.output,
        origin=label,
        others=other_fields(row.fields, _RECORD_FIELDS, " ".join(["id", *exchange.used])),
        line=row.line,
    )
