"""One thing under two spellings: `en` and `EN`, `nb` and `no`, composed and decomposed accents."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from typing import TYPE_CHECKING

from polypaca.core import languages
from polypaca.core.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from polypaca.stats.csv_files import NumberRow


def unify_spellings(
    rows: Sequence[NumberRow], keys: Mapping[str, Callable[[str], str]]
) -> tuple[list[NumberRow], list[str]]:
    """The rows with the first spelling of everything, and a note on each other spelling.

    Args:
        rows: of a file.
        keys: by column, what spellings of one thing have in common.
    """
    notes: list[str] = []
    found = list(rows)
    for column, key in keys.items():
        first: dict[str, tuple[str, int]] = {}
        noted: set[str] = set()
        for place, row in enumerate(found):
            if row.values.get(column) is None:
                continue
            written = row.text(column)
            spelling, line = first.setdefault(key(written), (written, row.line))
            if spelling == written:
                continue
            found[place] = replace(row, values={**row.values, column: spelling})
            if written not in noted:
                noted.add(written)
                how = difference(written, spelling)
                notes.append(
                    f"Line {row.line}, column {column}: {written!r} and {spelling!r} (line {line}) "
                    f"are two spellings of one {column}{how}; read as one."
                )
    return found, notes


def duplicate_problem(
    where: str,
    written: NumberRow,
    key: tuple[str, ...],
    names: Sequence[str],
    line: int,
    hint: str = "",
) -> Problem:
    """The problem that a row says again what is on an earlier line, in whatever spelling.

    Args:
        where: the row's place.
        written: the row as it was written.
        key: its values in the first spelling, by `names`.
        names: the columns that tell rows apart.
        line: the earlier one.
        hint: what to do where the spelling is the same.
    """
    own = tuple(written.text(name) for name in names)
    what = f"{own} is on line {line} already"
    for name, mine, first in zip(names, own, key, strict=True):
        if mine != first:
            what += f": one {name} in two spellings{difference(mine, first)}"
            hint = "keep one of the rows, or name the two apart"
            break
    return Problem(where, what, hint)


def name_key(name: str) -> str:
    """What is common to spellings of a name: letters and signs, whatever their case and spaces."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return "".join(c for c in folded if not c.isspace() and unicodedata.category(c) != "Cf")


def item_key(item: str) -> str:
    """The same of an item's id, where the case of letters may count."""
    return " ".join(unicodedata.normalize("NFC", item).split())


def language_key(language: str) -> str:
    """The language that a code or an English name means, with its script and region if it has any.

    What is neither is known by its name.
    """
    import langcodes

    code = language.strip()
    if not languages.is_language(code):
        meant = languages.suggest_language(code)
        return name_key(code) if meant is None else languages.canonical(meant)
    tag = langcodes.Language.get(code.replace("_", "-"))
    found = languages.canonical(code)
    script = tag.script if tag.script != languages.script(found) else None
    return "-".join(part for part in (found, script, tag.territory) if part)


def difference(one: str, other: str) -> str:
    """In what two spellings differ, where that cannot be seen: `, in spaces`."""
    if unicodedata.normalize("NFC", one) == unicodedata.normalize("NFC", other):
        return ", in how accents are encoded (NFC, NFD)"
    if "".join(one.split()) == "".join(other.split()):
        return ", in spaces"
    return ""
