"""The public API."""

from __future__ import annotations

import subprocess
import sys

import pytest

import polypaca
from polypaca.core.errors import UserError


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


def test_wrong_settings_are_named() -> None:
    with pytest.raises(UserError, match="judge llm: model"):
        polypaca.judge(["a"], ["b"], "en", kind="llm")
    with pytest.raises(UserError, match="no judge is called 'lm'"):
        polypaca.judge(["a"], ["b"], "en", kind="lm")
    with pytest.raises(UserError, match="engine bergamot: model"):
        polypaca.translate(["a"], "en", "es", engine="bergamot")
    with pytest.raises(UserError, match="language detector"):
        polypaca.detect("a", detector="lid")
