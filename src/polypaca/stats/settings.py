"""The settings of the statistics, the section `analyze` of a study file."""

from __future__ import annotations

from pydantic import Field

from polypaca.core.settings import Settings


class Statistics(Settings):
    """How intervals are computed, and what counts as a difference."""

    resamples: int = Field(
        default=5000, ge=100, description="number of bootstrap resamples of the prompts"
    )
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    seed: int = Field(default=1, ge=0)
    margin: float | None = Field(
        default=None,
        gt=0,
        description="largest difference in total, in points, that still counts as equally good",
    )
