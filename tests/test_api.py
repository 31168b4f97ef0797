"""The public API, and the page that shows it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import polypaca
from polypaca.core.errors import UserError

from .e2e.studies import study_text, write_data

PAGE = Path(__file__).parents[1] / "docs" / "notebook.md"
SMALL = """\
name: small
languages: {train: [en, es], test: [en, es]}
data: {instructions: "data.{language}.jsonl", validation: 4}
prompts: "prompts.{language}.jsonl"
MODELS
methods: {lora: {learning_rate: 1e-2, batch_size: 8, epochs: 1}}
recipes: [downsampled, english]
generate: {max_new_tokens: 4, num_beams: 1}
analyze: {resamples: 100}
"""
RATINGS = [
    ("a", 3.0, 2.8), ("b", 2.0, 2.1), ("c", 1.0, 1.2), ("d", 2.5, 2.4), ("e", 1.5, 1.1)
]  # fmt: skip


def test_all_that_is_offered_is_there_and_nothing_is_loaded_before_it_is_asked_for() -> None:
    for name in polypaca.__all__:
        assert getattr(polypaca, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        polypaca.nothing  # noqa: B018
    assert dir(polypaca) == polypaca.__all__ == sorted(polypaca.__all__, key=_as_ruff_sorts)
    code = "import polypaca, sys; print([m for m in sys.modules if m.startswith('polypaca.')])"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


def _as_ruff_sorts(name: str) -> tuple[bool, str]:
    return (not name[0].isupper(), name)


def test_the_package_is_the_command() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "polypaca", "--version"], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == f"polypaca {polypaca.__version__}"


@pytest.mark.slow
def test_the_page_runs(
    tmp_path: Path,
    tokenizer_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("POLYPACA_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "studies").symlink_to(PAGE.parents[1] / "studies")
    write_data(tmp_path)
    (tmp_path / "small.yaml").write_text(study_text(SMALL, tokenizer_file))
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


def test_wrong_settings_are_named() -> None:
    with pytest.raises(UserError, match="judge llm: model"):
        polypaca.judge(["a"], ["b"], "en", kind="llm")
    with pytest.raises(UserError, match="no judge is called 'lm'"):
        polypaca.judge(["a"], ["b"], "en", kind="lm")
    with pytest.raises(UserError, match="engine bergamot: model"):
        polypaca.translate(["a"], "en", "es", engine="bergamot")
    with pytest.raises(UserError, match="language detector"):
        polypaca.detect("a", detector="lid")
