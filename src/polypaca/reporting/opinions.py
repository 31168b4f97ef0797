"""The page's tables of what the judge preferred, and of how far several judges agree."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from polypaca.reporting.differences import p_text, row_titles, signed
from polypaca.reporting.layout import DASH, has_unseen, language_name, range_text

if TYPE_CHECKING:
    from polypaca.core.results import Analysis, JudgeAgreement, Preferences


def preference_table(analysis: Analysis) -> dict[str, Any] | None:
    """Pairs of recipes over the averages, before and after the gate; None where none was judged."""
    titles = row_titles(analysis)
    scopes = ("seen", "unseen", "all") if has_unseen(analysis) else ("seen",)
    rows = [_preference(item, titles) for item in analysis.preferences if item.scope in scopes]
    if not rows:
        return None
    consistent = [item.consistent for item in analysis.preferences if item.consistent is not None]
    failed = sum(p.failed for p in analysis.preferences if p.scope == "all")
    return {
        "rows": rows,
        "consistent": f"{range_text([100 * share for share in consistent])}\u00a0%",
        # Before and after the gate are the same questions.
        "failed": failed // 2,
    }


def _preference(item: Preferences, titles: dict[str, tuple[str, str]]) -> dict[str, Any]:
    (a, group), (b, _) = (titles.get(row, (row, "")) for row in (item.a, item.b))
    net = item.net
    return {
        "a": a,
        "b": b,
        "group": group,
        "scope": "all languages" if item.scope == "all" else f"{item.scope} languages",
        "measure": f"{item.measure} the gate",
        "wins": _percent(item.wins),
        "ties": _percent(item.ties),
        "losses": _percent(item.losses),
        "net": DASH if net is None else f"{signed(100 * net.value)}\u00a0pp",
        "range": DASH if net is None else f"{signed(100 * net.low)} to {signed(100 * net.high)}",
        "p": p_text(item.p_adjusted),
        "shown": DASH if item.p_adjusted is None else "yes" if item.shown else "no",
    }


def judges_table(analysis: Analysis) -> list[dict[str, Any]]:
    """How far each further judge agrees with the first, by language and in all."""
    return [_agreement(analysis, item) for item in analysis.judges]


def _agreement(analysis: Analysis, item: JudgeAgreement) -> dict[str, Any]:
    bounds = (item.alpha_low, item.alpha_high)
    return {
        "judges": f"{item.second}, {item.first}",
        "language": language_name(analysis, item.language) if item.language else "all languages",
        "answers": f"{item.answers:,}",
        "equal": _percent(item.equal),
        "difference": DASH if item.difference is None else f"{signed(100 * item.difference)}",
        "systems": _two(item.systems_pearson),
        "alpha": _two(item.alpha),
        "range": DASH if None in bounds else " to ".join(_two(bound) for bound in bounds),
    }


def _percent(share: float | None) -> str:
    return DASH if share is None else f"{100 * share:.0f}\u00a0%"


def _two(value: float | None) -> str:
    return DASH if value is None else f"{value:.2f}".replace("-", "−")
