from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from polypaca.planning.estimate import estimate
from polypaca.planning.hardware import find_gpu
from polypaca.planning.plan_text import print_estimate
from polypaca.study import load_study

PAPER = Path(__file__).parents[2] / "studies" / "paper.yaml"


def _numbers(width: int, folder: Path) -> list[str]:
    found = estimate(load_study(PAPER, []), folder, find_gpu("a100-80gb"), 2.0)
    console = Console(file=io.StringIO(), width=width)
    print_estimate(found, console)
    assert isinstance(console.file, io.StringIO)
    return sorted(re.findall(r"(?<!\S)~?[\d,.]+(?:e\+\d+)?(?!\S)", console.file.getvalue()))


@pytest.mark.parametrize("width", [24, 40, 80])
def test_the_plan_has_the_same_numbers_at_any_width(width: int, tmp_path: Path) -> None:
    wide = _numbers(300, tmp_path)
    assert len(wide) > 168 * 5
    assert _numbers(width, tmp_path) == wide
