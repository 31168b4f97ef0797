"""The answer in words.

Words follow the adjusted tests, never the totals alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from polypaca.core import languages

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from polypaca.core.results import Comparison, RowLabel, Score

_PHRASES = {
    "monolingual": "one model per language",
    "multilingual": "one multilingual model",
    "downsampled": "a downsampled multilingual model",
    "english": "English alone",
}

ONE_SEED = "for these checkpoints; training variance unknown"

_NOTHING = "no recipe answers in every language."
_WORTH_SAYING = 1 / 30  # of the highest total; 5 points of 150
_NEXT_TO_NOTHING = 0.05  # points: written, 0.0


Group = list[tuple["RowLabel", "Score"]]


@dataclass(frozen=True)
class _Part:
    """What is said over the languages of one scope."""

    over: str  # `over the seen languages`
    group: Group
    tested: Mapping[frozenset[str], Comparison]


def sentences(
    rows: Sequence[RowLabel],
    scores: Sequence[Score],
    comparisons: Sequence[Comparison],
    *,
    rated: bool,
    top: float,
    unseen: Sequence[str] = (),
) -> list[str]:
    """What to say of each model and method: which recipe leads in seen and in unseen languages.

    Args:
        rows: of the analysis.
        scores: of the rows.
        comparisons: of the rows; those of the family `headline` decide what is claimed.
        rated: false where only gate pass rates are known.
        top: the highest total that there could be.
        unseen: the test languages that are no training languages; of none, nothing is said.
    """
    recipes = [row for row in rows if row.recipe and not row.control]
    found = []
    for model, method in dict.fromkeys((row.model, row.method) for row in recipes):
        own = [row for row in recipes if (row.model, row.method) == (model, method)]
        parts = _parts(own, scores, comparisons, unseen)
        said = (_ranking(parts, top) if rated else _gates(parts)) if parts else _NOTHING
        found.append(f"On {model} with {method}, {said}")
    return found


def _parts(
    rows: Sequence[RowLabel],
    scores: Sequence[Score],
    comparisons: Sequence[Comparison],
    unseen: Sequence[str],
) -> list[_Part]:
    """Seen languages, then unseen ones, where a recipe has answers in all of them."""
    over = {"seen": "over the seen languages"}
    if len(unseen) == 1:
        over["unseen"] = f"in {languages.name(unseen[0])}, which nothing was tuned on"
    elif unseen:
        over["unseen"] = f"over the {len(unseen)} unseen languages"
    found = []
    for scope, words in over.items():
        measured = {score.row: score for score in scores if score.scope == scope}
        group = [(row, measured[row.id]) for row in rows if row.id in measured]
        tested = {
            frozenset((c.a, c.b)): c
            for c in comparisons
            if c.family == "headline" and c.scope == scope
        }
        if group:
            found.append(_Part(words, group, tested))
    return found


def _gates(parts: Sequence[_Part]) -> str:
    said = []
    for number, part in enumerate(parts):
        ranked = sorted(part.group, key=lambda pair: -pair[1].gate.value)
        shares = [
            f"{phrase(row, budgets=not number)} {100 * score.gate.value:.0f} %"
            for row, score in ranked
        ]
        said.append(f"{part.over}: {', '.join(shares)}")
    return (
        f"answers are in the language of the prompt, {'; '.join(said)}. Nothing was rated: this "
        "says nothing of quality."
    )


def _ranking(parts: Sequence[_Part], top: float) -> str:
    said: list[str] = []
    for part in parts:
        said += [text] if (text := _scope(part, top, first=not said)) else []
    if not said:
        return "no recipe has a rated answer in every language."
    # What a claim of difference rests on is said with it.
    if any(len(row.seeds) < 2 for part in parts for row, score in part.group if score.after):
        said.append(f"This is {ONE_SEED}")
    return f"{'. '.join(said)}."


def _scope(part: _Part, top: float, *, first: bool) -> str:
    """The sentences over one scope; the first names budgets and the scale as well."""
    totals = [(row, score.after.value) for row, score in part.group if score.after]
    lost = [(row, score.robustness) for row, score in part.group if score.robustness]
    totals.sort(key=lambda pair: -pair[1])
    if not totals:
        return ""
    best, highest = totals[0]
    nothing = highest < _NEXT_TO_NOTHING and len(totals) > 1
    text = "no recipe scores more than 0.0" if nothing else phrase(best, budgets=first)
    text += "" if nothing else f" scores {highest:.1f}"
    text = f"{text} of {top:g} {part.over}" if first else f"{_capital(part.over)}, {text}"
    if not nothing:
        text += _others(best, totals[1:], part.tested, budgets=first)
    row, taken = max(lost, key=lambda pair: pair[1].value)
    if taken.low > _WORTH_SAYING * top:
        points = f"{taken.value:.1f} points{'' if first else ' there'}"
        text += f". The gate takes {points} from {phrase(row, budgets=first)}"
    return text


def _others(
    best: RowLabel,
    others: Sequence[tuple[RowLabel, float]],
    tested: Mapping[frozenset[str], Comparison],
    *,
    budgets: bool,
) -> str:
    """Whom the best is ahead of, who is as good within the margin, and where nothing is shown."""
    tests = {row.id: tested.get(frozenset((best.id, row.id))) for row, _ in others}
    kinds = {row: _kind(test) for row, test in tests.items()}
    shown = {
        kind: [
            f"{phrase(row, budgets=budgets)} {total:.1f}"
            for row, total in others
            if kinds[row.id] == kind
        ]
        for kind in ("behind", "within", "tied")
    }
    text = f", ahead of {_and(shown['behind'])}" if shown["behind"] else ""
    if shown["within"]:
        margin = next(test.margin.margin for test in tests.values() if test and test.margin)
        verb = "is" if len(shown["within"]) == 1 else "are"
        text += f"; as good as that, to within {margin:g} points, {verb} {_and(shown['within'])}"
    if shown["tied"]:
        text += f"; no difference shown to {_and(shown['tied'])}"
        found = [t.detectable for row, t in tests.items() if t and kinds[row] == "tied"]
        if any(found):
            most = max(points or 0.0 for points in found)
            text += f" (a true one of {most:.1f} points would be found 4 times in 5)"
    return text


def _kind(test: Comparison | None) -> str:
    if test and test.shown:
        return "behind"
    return "within" if test and test.margin and test.margin.shown else "tied"


def phrase(row: RowLabel, *, budgets: bool = True) -> str:
    """A recipe in words, with what it costs: `one model per language (4 budgets)`."""
    words = _PHRASES.get(row.recipe or "", row.name)
    if row.budgets is None or not budgets:
        return words
    return f"{words} ({row.budgets:.3g} budget{'' if row.budgets == 1 else 's'})"


def _and(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _capital(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}"
