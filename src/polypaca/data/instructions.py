"""Instruction data in Alpaca's fields: `instruction`, `input`, `output`, and an optional `id`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polypaca.core.records import Example, Rejected, Repaired
from polypaca.data.fields import FieldError, id_field, other_fields, text_field
from polypaca.data.patterns import file_for
from polypaca.data.readers import Defects, OnBadRow, Row, read_rows, row_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from polypaca.core.records import Split

_OWN = frozenset(Example.model_fields)


@dataclass(frozen=True)
class Item:
    """An example whose split is not decided yet."""

    source: str
    language: str
    instruction: str
    input: str
    output: str
    origin: str
    others: dict[str, Any]  # the row's further fields, as they came

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
class InstructionsRead:
    """One language's items, and the rows that are missing from them or were changed."""

    items: list[Item]
    rejected: list[Rejected]
    repaired: list[Repaired]
    numbered: bool  # no row has an id: sources are row numbers, parallel only if the files are


def load_instructions(
    pattern: str | Path, language: str, *, on_bad_row: OnBadRow, label: str | None = None
) -> InstructionsRead:
    """Read one language's instruction file.

    Args:
        pattern: the path, with `{language}` where the language's code stands.
        language: the code, as the file name has it.
        on_bad_row: what to do with rows that cannot be used, see `readers.read_rows`.
        label: the data set's name in each example's `origin`; the pattern's last part by default.

    Raises:
        DataError: if there is no such file, no usable row, or, under `error`, any bad row.
    """
    path = file_for(pattern, language)
    read = read_rows(path, on_bad_row=on_bad_row)
    defects = Defects(str(path), on_bad_row, read.rejected, read.repaired)
    return _items(read.rows, language, defects, label or Path(pattern).name)


def instructions_from_rows(
    rows: Iterable[Mapping[str, Any]], language: str, *, on_bad_row: OnBadRow, label: str
) -> InstructionsRead:
    """Check rows that are in memory already: a built-in corpus, a Hub data set.

    Args:
        rows: mappings with Alpaca's fields.
        language: the language of all of them.
        on_bad_row: what to do with rows that cannot be used, see `readers.read_rows`.
        label: the data set's name, in each example's `origin` and in messages.

    Raises:
        DataError: if there is no usable row, or, under `error`, any bad row.
    """
    numbered = [Row(number, number, dict(row)) for number, row in enumerate(rows, start=1)]
    return _items(numbered, language, Defects(f"{label} ({language})", on_bad_row), label)


def _items(rows: Sequence[Row], language: str, defects: Defects, label: str) -> InstructionsRead:
    # Row numbers and ids of one file would not fit together as names: it is one or the other.
    with_ids = any(row.fields.get("id") is not None for row in rows)
    items: list[Item] = []
    lines: dict[str, int] = {}
    for row in rows:
        try:
            item = _item(row, language, label, with_ids=with_ids)
            if item.source in lines:
                raise FieldError(
                    "id",
                    f"{item.source!r} is used twice, in lines {lines[item.source]} and {row.line}",
                )
        except FieldError as error:
            defects.bad(row.line, error.reason, row_text(row.fields), column=error.field)
            continue
        lines[item.source] = row.line
        items.append(item)
    if not items:
        defects.refuse_file()
    return InstructionsRead(items, defects.rejected, defects.repaired, not with_ids)


def _item(row: Row, language: str, label: str, *, with_ids: bool) -> Item:
    fields = row.fields
    source = id_field(fields)
    if source is None:
        if with_ids:
            raise FieldError("id", "is missing, though other rows of the file have one")
        source = str(row.number)
    return Item(
        source=source,
        language=language,
        instruction=text_field(fields, "instruction"),
        input=text_field(fields, "input", required=False),
        output=text_field(fields, "output"),
        origin=label,
        others=other_fields(fields, _OWN, "id instruction input output"),
    )
