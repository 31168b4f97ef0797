"""What `polypaca run` prints at its end: what would run, what failed, and the answer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rich.console import Console

    from polypaca.workflow.run import Outcome, Plan

_SAME = 3  # tasks listed of those that failed for one reason


def dry_run_lines(planned: Plan, *, as_json: bool) -> Iterator[str]:
    """What a run would do and why, a line per task."""
    if as_json:
        yield json.dumps({"pending": dict(planned.reasons)}, indent=1)
        return
    for job in planned.jobs:
        for task in job.tasks:
            yield f"{task.stage:<10} {task.id}: {planned.reasons[task.id]}"
    yield f"{len(planned.reasons)} of {len(planned.tasks)} tasks would run"


def print_failures(outcome: Outcome, console: Console) -> None:
    """Print what failed and why; of many tasks that failed for one reason, the first few."""
    counts: dict[str, int] = {}
    for task, why in outcome.failed.items():
        reason = why.rpartition("; see ")[0]
        counts[reason] = counts.get(reason, 0) + 1
        if counts[reason] <= _SAME:
            console.print(f"failed  {task}: {why}", style="red", markup=False, soft_wrap=True)
    for reason, count in counts.items():
        if count > _SAME:
            text = f"failed  {count - _SAME} more for the same reason: {reason}"
            console.print(text, style="red", markup=False, soft_wrap=True)
    if outcome.failed:
        console.print(
            f"{len(outcome.failed)} tasks failed, {len(outcome.skipped)} that depend on them were "
            f"skipped, {len(outcome.made)} were done"
        )


def print_result(folder: Path, console: Console, *, as_json: bool) -> None:
    """Print the table, the answer and the page of a finished study."""
    from polypaca.core.results import Analysis

    analysis = Analysis.model_validate_json((folder / "analysis" / "analysis.json").read_bytes())
    page = folder / "report" / "index.html"
    if as_json:
        result = {"out": str(folder), "page": str(page), "answer": analysis.sentence}
        console.print(json.dumps(result), markup=False, highlight=False, soft_wrap=True)
        return
    from polypaca.reporting.tables import to_text

    console.print(to_text(analysis))
    console.print(analysis.sentence, markup=False, highlight=False)
    console.print(f"page: {page}", markup=False, highlight=False, soft_wrap=True)
