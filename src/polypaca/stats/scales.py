"""Signs of two scales: in one column, or in two that are taken for one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_GAP = 8.0  # 1..3 beside 0..100, shares beside percents or totals; scores of one scale fill it
_TOPS = 2.0


def gap(values: Mapping[str, float]) -> tuple[list[str], list[str]] | None:
    """Names of low and of high values, if nothing lies between and each of two or more is high.

    The lowest high value must be eight times the highest low one.
    """
    ranked = sorted(values.items(), key=lambda item: item[1])
    for at in range(2, len(ranked) - 1):
        low, high = ranked[at - 1][1], ranked[at][1]
        if low > 0 and high >= _GAP * low:
            names = [name for name, _ in ranked]
            return names[:at], names[at:]
    return None


def gap_note(where: str, values: Mapping[str, float], what: str) -> str | None:
    """A word on a gap between the values of `what`, such as systems, if there is one."""
    found = gap(values)
    if found is None:
        return None
    low, high = found
    reach = [f"{min(values[n] for n in own):g} to {max(values[n] for n in own):g}" for own in found]
    return (
        f"{where}: two scales in one column? Means of {len(low)} {what} are {reach[0]} "
        f"({_some(low)}), of {len(high)} {reach[1]} ({_some(high)}), none between. If so, bring "
        "them to one scale: the result follows the gap."
    )


def disjoint_note(where: str, groups: Mapping[str, Sequence[float]], what: str) -> str | None:
    """A word where all scores of one group lie far below all of another, if each has several."""
    several = {name: own for name, own in groups.items() if len(own) > 1}
    for low, mine in several.items():
        for high, theirs in several.items():
            if max(mine) > 0 and min(theirs) >= _GAP * max(mine):
                return (
                    f"{where}: two scales in one column? {what} {low} has {min(mine):g} to "
                    f"{max(mine):g} everywhere, {high} {min(theirs):g} to {max(theirs):g}. If so, "
                    "bring them to one scale: who leads is decided by it."
                )
    return None


def tops_note(where: str, judge: Sequence[float], human: Sequence[float]) -> str | None:
    """A word on two raters who seem to have a scale each, where they are taken to have one."""
    a, b = max(map(abs, judge)), max(map(abs, human))
    if max(a, b) < _TOPS * min(a, b) or not min(a, b):
        return None
    return (
        f"{where}: judge is {min(judge):g} to {max(judge):g}, human {min(human):g} to "
        f"{max(human):g}. Alpha takes both for one scale; if they are two, it says nothing. "
        "Correlations do not mind."
    )


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
