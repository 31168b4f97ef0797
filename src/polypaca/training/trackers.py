"""The table of trackers: where metrics go beside `metrics.jsonl`, through Transformers' callbacks.

To add one that Transformers knows, give it a row, and an extra of its name in `pyproject.toml`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from polypaca.core.errors import MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path


@dataclass(frozen=True)
class TrackerRow:
    """A row.

    Attributes:
        begin: called with a cell's folder before it is trained.
        end: called after a cell is trained.
    """

    begin: Callable[[Path], object] = lambda folder: None
    end: Callable[[], object] = lambda: None


def _beside_the_checkpoint(folder: Path) -> None:
    os.environ["TENSORBOARD_LOGGING_DIR"] = str(folder / "tensorboard")


def _end_of_run() -> None:
    import wandb

    wandb.finish()  # or the next cell of this process would go on in this one's run


TRACKERS: dict[str, TrackerRow] = {
    "tensorboard": TrackerRow(begin=_beside_the_checkpoint),
    "wandb": TrackerRow(end=_end_of_run),
    "trackio": TrackerRow(),
    "mlflow": TrackerRow(),
}


def check_installed(names: Iterable[str]) -> None:
    """Check that trackers are installed: Trainer would fail late, and with another message.

    Raises:
        MissingExtraError: if one is not.
    """
    wanted = list(names)
    if not wanted:
        return
    from transformers import integrations

    available: list[str] = integrations.get_available_reporting_integrations()  # type: ignore[attr-defined, no-untyped-call]
    for name in wanted:
        if name not in available:
            raise MissingExtraError(f"report_to: {name}", name)
