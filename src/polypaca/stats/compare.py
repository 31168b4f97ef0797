"""Which recipe leads where, from a file of scores: `polypaca compare FILE`."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from pydantic import Field

from polypaca.core.errors import Problem
from polypaca.core.results import Result
from polypaca.core.tables import Column, Grid
from polypaca.stats.csv_files import NumberRow, parse, raise_problems, read_table
from polypaca.stats.scales import disjoint_note
from polypaca.stats.scores_csv import comparison_rows, is_report_scores
from polypaca.stats.spellings import duplicate_problem, language_key, name_key, unify_spellings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

NAMES = ("model", "language", "recipe")
COLUMNS = (*NAMES, "score", "low", "high", "row", "scope", "control")
_EQUAL = 1e-9


class Place(Result):
    """Who leads on one model in one language."""

    model: str
    language: str
    leaders: list[str] = Field(description="highest score; several where scores are equal")
    unresolved: list[str] = Field(
        description="not the highest, but their interval overlaps the only leader's"
    )
    shown: bool | None = Field(
        description="the lead is beyond all intervals; None for a tie, and where intervals are "
        "missing that would tell"
    )
    scores: dict[str, float]


class Count(Result):
    """In how many places a recipe leads."""

    recipe: str
    places: int = Field(description="where it has a score, beside another recipe")
    leads: int = Field(description="the highest score, alone")
    ties: int = Field(description="the highest score, equal to another's")
    shown: int = Field(description="leads that are beyond all intervals")
    untold: int = Field(default=0, description="leads without the intervals that would tell")


class Versus(Result):
    """Two recipes over the places where both have a score."""

    a: str
    b: str
    a_higher: int
    b_higher: int
    equal: int
    unresolved: int = Field(description="of those not equal, with intervals that overlap")
    untold: int = Field(default=0, description="of those not equal, without both intervals")


class Ranking(Result):
    """Which recipe leads where."""

    sentence: str
    notes: list[str]
    has_intervals: bool
    places: list[Place]
    languages: dict[str, list[Count]]
    overall: list[Count]
    pairs: list[Versus]


def rank(path: Path) -> Ranking:
    """Read scores and count who leads, by language and in all.

    The file has the columns `model`, `language`, `recipe`, `score`, a row for each; with `low` and
    `high`, intervals. A place is a model in a language where two recipes or more have a score. The
    highest score leads, whatever is said of it; equal scores tie. Where intervals are given, a
    lead over a recipe is shown if the two do not overlap: a strict criterion (for two intervals of
    95 % it errs less than once in 100), so overlap is "no difference shown", not equality.

    Raises:
        DataError: if the file cannot be read.
        UserError: naming every row that is wrong.
    """
    table = read_table(path, COLUMNS)
    if is_report_scores(table):
        table = comparison_rows(table)
    numbers = ("score", "low", "high")
    written = parse(table, texts=NAMES, numbers=numbers, optional=("low", "high"))
    keys = {"model": name_key, "language": language_key, "recipe": name_key}
    rows, spelled = unify_spellings(written, keys)
    raise_problems([*table.problems, *_problems(path, written, rows)])
    has_intervals = any(row.number("low") is not None for row in rows)
    grouped: dict[tuple[str, str], list[NumberRow]] = {}
    for row in rows:
        grouped.setdefault((row.text("model"), row.text("language")), []).append(row)
    several = {key: own for key, own in grouped.items() if len(own) > 1}
    places = [_place(model, code, own) for (model, code), own in several.items()]
    recipes = list(dict.fromkeys(row.text("recipe") for row in rows))
    codes = list(dict.fromkeys(place.language for place in places))
    overall = _counts(places, recipes)
    return Ranking(
        sentence=_sentence(overall, places, has_intervals=has_intervals),
        notes=[
            *table.notes,
            *spelled,
            *_notes(len(grouped) - len(several), has_intervals=has_intervals),
            *_scales(rows),
        ],
        has_intervals=has_intervals,
        places=places,
        languages={
            code: _counts([p for p in places if p.language == code], recipes) for code in codes
        },
        overall=overall,
        pairs=[
            v for a, b in combinations(recipes, 2) if (v := _versus(a, b, list(several.values())))
        ],
    )


def _problems(path: Path, written: Sequence[NumberRow], rows: Sequence[NumberRow]) -> list[Problem]:
    problems = []
    seen: dict[tuple[str, ...], int] = {}
    for row, original in zip(rows, written, strict=True):
        where = f"{path}:{row.line}"
        key = tuple(row.text(name) for name in NAMES)
        if key in seen:
            problems.append(
                duplicate_problem(f"{where}, column recipe", original, key, NAMES, seen[key])
            )
        seen.setdefault(key, row.line)
        low, high, score = row.number("low"), row.number("high"), row.number("score")
        if (low is None) != (high is None):
            lacking = "low" if low is None else "high"
            problems.append(
                Problem(f"{where}, column {lacking}", "is missing", "give both ends or neither")
            )
        elif low is not None and high is not None and not low <= (score or 0.0) <= high:
            what = f"the score {score:g} is not between {low:g} and {high:g}"
            problems.append(Problem(f"{where}, column score", what))
    return problems


def _place(model: str, language: str, rows: Sequence[NumberRow]) -> Place:
    top = max(row.number("score") or 0.0 for row in rows)
    leaders = [row for row in rows if _equal(row.number("score") or 0.0, top)]
    others = [row for row in rows if row not in leaders]
    open_ = [row for row in others if len(leaders) == 1 and _overlap(leaders[0], row)]
    resolved = [row for row in others if _overlap(leaders[0], row) is not None]
    shown = None
    if open_:
        shown = False
    elif len(leaders) == 1 and len(resolved) == len(others):
        shown = True
    return Place(
        model=model,
        language=language,
        leaders=[row.text("recipe") for row in leaders],
        unresolved=[row.text("recipe") for row in open_],
        shown=shown,
        scores={row.text("recipe"): row.number("score") or 0.0 for row in rows},
    )


def _overlap(a: NumberRow, b: NumberRow) -> bool | None:
    """Whether two intervals overlap; None where one has none."""
    ends = [row.number(name) for row in (a, b) for name in ("low", "high")]
    if any(end is None for end in ends):
        return None
    a_low, a_high, b_low, b_high = (end or 0.0 for end in ends)
    return a_low <= b_high and b_low <= a_high


def _equal(a: float, b: float) -> bool:
    return abs(a - b) <= _EQUAL * max(1.0, abs(a), abs(b))


def _counts(places: Sequence[Place], recipes: Sequence[str]) -> list[Count]:
    found = []
    for recipe in recipes:
        own = [place for place in places if recipe in place.scores]
        alone = [place for place in own if place.leaders == [recipe]]
        found.append(
            Count(
                recipe=recipe,
                places=len(own),
                leads=len(alone),
                ties=sum(recipe in p.leaders and len(p.leaders) > 1 for p in own),
                shown=sum(place.shown is True for place in alone),
                untold=sum(place.shown is None for place in alone),
            )
        )
    return found


def _versus(a: str, b: str, groups: Sequence[Sequence[NumberRow]]) -> Versus | None:
    pairs = []
    for rows in groups:
        by_recipe = {row.text("recipe"): row for row in rows}
        if a in by_recipe and b in by_recipe:
            pairs.append((by_recipe[a], by_recipe[b]))
    if not pairs:
        return None
    gaps = [((x.number("score") or 0.0), (y.number("score") or 0.0)) for x, y in pairs]
    equal = [_equal(x, y) for x, y in gaps]
    return Versus(
        a=a,
        b=b,
        a_higher=sum(x > y and not same for (x, y), same in zip(gaps, equal, strict=True)),
        b_higher=sum(x < y and not same for (x, y), same in zip(gaps, equal, strict=True)),
        equal=sum(equal),
        unresolved=sum(
            bool(_overlap(x, y)) and not same for (x, y), same in zip(pairs, equal, strict=True)
        ),
        untold=sum(
            _overlap(x, y) is None and not same for (x, y), same in zip(pairs, equal, strict=True)
        ),
    )


def _sentence(counts: Sequence[Count], places: Sequence[Place], *, has_intervals: bool) -> str:
    if not places:
        return "No model has scores of two recipes in one language: nothing to compare."
    ranked = sorted(counts, key=lambda count: -count.leads)
    most = [count for count in ranked if count.leads == ranked[0].leads]
    total = len(places)
    first = ranked[0]
    if not first.leads:
        text = "No recipe leads alone in any place"
    elif len(most) > 1:
        names = ", ".join(count.recipe for count in most[:-1])
        text = f"{names} and {most[-1].recipe} lead most often, each in {first.leads} of {total}"
    else:
        text = f"{first.recipe} leads most often, in {first.leads} of {total}"
    text += " places (a model in a language)" if first.leads else ""
    rest = [f"{count.recipe} in {count.leads}" for count in ranked[len(most) :] if count.leads]
    if rest and first.leads:
        text += f"; {', '.join(rest)}"
    tied = sum(len(place.leaders) > 1 for place in places)
    if tied:
        text += f"; {tied} {'is a tie' if tied == 1 else 'are ties'}"
    if has_intervals and first.leads:
        text += f". {_told(places)}"
    return f"{text}."


def _told(places: Sequence[Place]) -> str:
    """Of how many leads the intervals tell what; a tie is no lead."""
    led = [place for place in places if len(place.leaders) == 1]
    shown = sum(place.shown is True for place in led)
    unclear = sum(place.shown is False for place in led)
    untold = len(led) - shown - unclear
    text = f"Of {len(led)} lead{'' if len(led) == 1 else 's'} {shown} "
    text += f"{'is' if shown == 1 else 'are'} beyond the intervals"
    if unclear:
        text += f"; in {unclear} no difference is shown to at least one recipe"
    if untold:
        text += f"; in {untold} there are no intervals to tell by"
    return text


def _notes(single: int, *, has_intervals: bool) -> list[str]:
    found = []
    if single == 1:
        found.append("1 place has only one recipe, and was left out.")
    elif single:
        found.append(f"{single} places have only one recipe, and were left out.")
    if not has_intervals:
        found.append("The file has no intervals (low, high): a lead may be chance.")
    return found


def _scales(rows: Sequence[NumberRow]) -> list[str]:
    """A word where recipes, whose scores are compared, seem to have scales of their own."""
    groups: dict[str, list[float]] = {}
    for row in rows:
        groups.setdefault(row.text("recipe"), []).append(row.number("score") or 0.0)
    note = disjoint_note("column score", groups, "recipe")
    return [note] if note else []


def ranking_table(found: Ranking) -> Grid:
    """Leads by recipe and language as a table for a terminal; `+1` counts a tie."""
    names = [*found.languages, "all", *["beyond intervals"] * found.has_intervals, "places"]
    grid = Grid("Places led, and + ties", "recipe", [Column(name) for name in names])
    for number, count in enumerate(found.overall):
        cells = [_cell(counts[number]) for counts in found.languages.values()]
        shown = [str(count.shown)] if found.has_intervals else []
        grid.add(count.recipe, *cells, _cell(count), *shown, str(count.places))
    return grid


def _cell(count: Count) -> str:
    if not count.places:
        return "–"
    return f"{count.leads}" + (f" +{count.ties}" if count.ties else "")
