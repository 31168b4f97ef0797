"""Which rows of different languages are translations of one another, and whether that is known."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from polypaca.core.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from polypaca.data.instructions import LoadedInstructions

By = Literal["id", "row number", "nothing"]

_APART = "or set `data.align: none` to treat no rows as translations of one another"
_EDGE = r"[\s._:/|#-]"


@dataclass(frozen=True)
class RowMatching:
    """How the rows of several languages were matched.

    Attributes:
        by: what translations of one another share; `nothing` under `align: none` and where there
            is one language.
        shared: the sources that every language has.
    """

    by: By
    shared: int


def match_rows(data: Mapping[str, LoadedInstructions]) -> RowMatching:
    """How rows are matched that are to be parallel.

    By their ids where every language has ids, by their numbers where none has. Nothing is guessed:
    ids of one language are never compared with row numbers of another.

    Args:
        data: the rows of each language.

    Raises:
        DataError: if some languages have ids and others none, if files without ids differ in
            length, or if two languages share no id, or fewer than they would if their ids were
            written in one form.
    """
    numbered = [code for code, rows in data.items() if rows.numbered]
    named = [code for code, rows in data.items() if not rows.numbered]
    shared = len(set.intersection(*({item.source for item in p.items} for p in data.values())))
    if len(data) == 1:
        return RowMatching("nothing", shared)
    if numbered and named:
        raise DataError(
            f"{_list(named)} {_have(named)} ids, {_list(numbered)} {_have(numbered)} none: it is "
            "not known which rows are translations of one another",
            hint="give translations of one item the same `id` in every language; where the files "
            f"are parallel line by line, remove the ids from all of them;  {_APART}",
        )
    if numbered:
        _refuse_lengths(data)
        return RowMatching("row number", shared)
    first, *others = named
    ids = {code: [item.source for item in data[code].items] for code in named}
    for other in others:
        _refuse_forms((first, ids[first]), (other, ids[other]))
    return RowMatching("id", shared)


def _refuse_lengths(data: Mapping[str, LoadedInstructions]) -> None:
    lengths = {code: len(rows.items) + len(rows.rejected) for code, rows in data.items()}
    if len(set(lengths.values())) > 1:
        rows = ", ".join(f"{code} {count}" for code, count in lengths.items())
        raise DataError(
            f"{_list(list(lengths))}: rows have no `id`, and the files differ in length ({rows}), "
            "so it is not known which rows are translations of one another",
            hint=f"give translations of one item the same `id`, {_APART}",
        )


def _refuse_forms(one: tuple[str, Sequence[str]], other: tuple[str, Sequence[str]]) -> None:
    (code, ids), (other_code, other_ids) = one, other
    starts = {_counts_from(ids): code, _counts_from(other_ids): other_code}
    # Two countings of as many rows: the ids are row numbers, and not the same ones.
    if starts.keys() == {0, 1} and len(ids) == len(other_ids):
        raise DataError(
            f"ids of {starts[0]} count its rows from 0, those of {starts[1]} from 1: rows with the "
            "same id are not the same item",
            hint="give translations of one item the same `id`",
        )
    same = len(set(ids) & set(other_ids))
    form, other_form = _forms(ids, code), _forms(other_ids, other_code)
    alike = sorted(form.keys() & other_form.keys())
    if len(alike) > same and len(form) == len(ids) and len(other_form) == len(other_ids):
        differing = next(name for name in alike if form[name] != other_form[name])
        raise DataError(
            f"ids of {other_code} are written differently from those of {code} "
            f"({other_form[differing]!r} for {form[differing]!r}): {same} of them are the same, "
            f"{len(alike)} would be if written alike",
            hint="write the ids of one item alike in every language",
        )
    if not same:
        raise DataError(
            f"{other_code} shares no id with {code} ({_few(other_ids)}; {_few(ids)}): it is not "
            "known which rows are translations of one another",
            hint=f"give translations of one item the same `id`, {_APART}",
        )


def _counts_from(ids: Sequence[str]) -> int | None:
    """The first of ids that number the rows one by one, 0 or 1 or another; None if they do not."""
    if len(ids) < 2 or not all(re.fullmatch(r"[0-9]{1,18}", name) for name in ids):
        return None
    numbers = [int(name) for name in ids]
    in_order = all(after == before + 1 for before, after in itertools.pairwise(numbers))
    return numbers[0] if in_order else None


def _forms(ids: Sequence[str], language: str) -> dict[str, str]:
    """Each id by what is left of it without case, language, leading zeros and white space."""
    return {_form(name, language): name for name in ids}


def _form(name: str, language: str) -> str:
    name = name.strip().casefold()
    code = re.escape(language.casefold())
    name = re.sub(rf"^{code}{_EDGE}+|{_EDGE}+{code}$", "", name)
    name = re.sub(r"\.0+$", "", name) if re.fullmatch(r"\d+\.0+", name) else name
    return re.sub(r"(?<!\d)0+(?=\d)", "", name)


def _few(ids: Sequence[str]) -> str:
    return ", ".join(map(repr, ids[:2])) + (", …" if len(ids) > 2 else "")


def _list(codes: Sequence[str]) -> str:
    return " and ".join([", ".join(codes[:-1]), codes[-1]] if len(codes) > 1 else codes)


def _have(codes: Sequence[str]) -> str:
    return "has" if len(codes) == 1 else "have"
