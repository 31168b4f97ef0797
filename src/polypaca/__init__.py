"""polypaca: budget-controlled experiments in multilingual instruction tuning.

`docs/notebook.md` shows what is here, three lines a task. Everything is imported when it is first
asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from polypaca.api import (
        agree,
        compare,
        detect,
        gate,
        judge,
        load_study,
        plan,
        run,
        score,
        translate,
    )
    from polypaca.core.errors import DataError, PolypacaError, StageError, StudyError, UserError
    from polypaca.core.results import Analysis
    from polypaca.study import Study

__version__ = "0.1.0"

__all__ = [
    "Analysis",
    "DataError",
    "PolypacaError",
    "StageError",
    "Study",
    "StudyError",
    "UserError",
    "__version__",
    "agree",
    "compare",
    "detect",
    "gate",
    "judge",
    "load_study",
    "plan",
    "run",
    "score",
    "translate",
]

_ELSEWHERE = {
    "Analysis": "polypaca.core.results",
    "Study": "polypaca.study",
    **dict.fromkeys(
        ("DataError", "PolypacaError", "StageError", "StudyError", "UserError"),
        "polypaca.core.errors",
    ),
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_ELSEWHERE.get(name, "polypaca.api")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
