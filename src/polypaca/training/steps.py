"""How many steps a schedule has, and when it is interrupted: arithmetic that plans need too."""

from __future__ import annotations

import math

_EVALUATIONS = 4  # where a method does not say how often


def total_steps(rows: int, batch_size: int, epochs: float) -> int:
    """Optimizer steps of a schedule: the last batch of an epoch may be smaller."""
    return max(1, math.ceil(math.ceil(rows / batch_size) * epochs))


def evaluation_interval(steps: int, evaluations: int | None, evaluate_every: int | None) -> int:
    """Steps between two evaluations, at least 1 and at most all; one is always taken at the end."""
    if evaluate_every is not None:
        return min(evaluate_every, steps)
    return max(1, steps // (evaluations or _EVALUATIONS))
