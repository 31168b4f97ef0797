"""The page that shows the public API."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from .studies import copied

PAGE = Path(__file__).parents[2] / "docs" / "notebook.md"
RATINGS = [
    ("a", 3.0, 2.8), ("b", 2.0, 2.1), ("c", 1.0, 1.2), ("d", 2.5, 2.4), ("e", 1.5, 1.1)
]  # fmt: skip


@pytest.mark.slow
def test_the_page_runs(
    finished: tuple[Path, subprocess.CompletedProcess[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "studies").symlink_to(PAGE.parents[1] / "studies")
    copied(finished[0], tmp_path, "analysis", "report")  # what `run` is left to do
    (tmp_path / "scores.csv").write_text(
        "model,language,recipe,score\nm,en,one,90\nm,en,two,80\nm,es,one,70\nm,es,two,75\n"
    )
    rows = [f"{system},en,{judge},{human}" for system, judge, human in RATINGS]
    (tmp_path / "ratings.csv").write_text("system,language,judge,human\n" + "\n".join(rows) + "\n")
    names: dict[str, object] = {}
    shown: list[str] = []
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL):
        exec(block, names)
        shown.append(capsys.readouterr().out.strip())
    assert len(shown) == 9
    assert re.fullmatch(r"\d+ cells, \d+\.\d budgets in all", shown[0])
    assert "On tiny with lora" in shown[1]
    assert shown[2].startswith("es ")
    assert shown[3] == "0 en language"
    assert "chrF++" in shown[4]
    # By hand: (3 + 2 + 2.5 + 0 + 3 + 2 + 3 + 1.5) / 8 x 50.
    assert shown[5].startswith("106.2 of 150, between")
    assert "`make` 3" in shown[8]
