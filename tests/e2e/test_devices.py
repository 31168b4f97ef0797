"""Cells that are trained on several devices, by a launcher that the user names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from polypaca.core.manifest import MANIFEST

from .conftest import Finished
from .studies import made, polypaca

pytestmark = pytest.mark.slow

TOGETHER = ("--launch", "torchrun --standalone --nproc-per-node 2")


def _check(cells: Path, cell: str, expected: Path) -> None:
    """Hold what two processes trained to what one did."""
    manifest = json.loads((cells / cell / "train" / MANIFEST).read_text())
    assert manifest["facts"]["processes"] == 2
    together, alone = (
        json.loads((folder / cell / "train" / "ledger.json").read_text())
        for folder in (cells, expected)
    )
    assert together["validation_loss"] == pytest.approx(alone["validation_loss"], rel=1e-4)
    assert together["tokens"] == alone["tokens"]


def test_training_on_two_devices(mixed: Path) -> None:
    options = ["methods.lora.dropout=0.0", "recipes=[english]", "systems=[]"]
    options += ["train.sharding=fsdp"]
    cells = mixed.parent / "out" / "cells"
    # Of one process nothing is sharded, whatever the study says.
    alone = polypaca(mixed, *options, "--jobs", "1", verb="train")
    assert alone.returncode == 0, alone.stdout + alone.stderr
    expected = cells.rename(mixed.parent / "alone")
    launched = polypaca(mixed, *options, *TOGETHER, verb="train")
    assert launched.returncode == 0, launched.stdout + launched.stderr
    for cell in ("tiny.lora.monolingual-en.s1", "tiny.full.monolingual-en.s1"):
        _check(cells, cell, expected)


def test_a_cell_that_fails_on_two_devices_says_why_and_leaves_the_others_going(
    mixed: Path, finished: Finished
) -> None:
    # One method's targets are wrong, which is found once the model is loaded.
    options = ["methods.lora.targets=[nowhere]", "recipes=[english]", "systems=[]"]
    result = polypaca(mixed, *options, *TOGETHER, verb="train")
    assert result.returncode == 2, result.stdout + result.stderr
    assert "no module is called nowhere" in result.stdout
    full = "tiny.full.monolingual-en.s1"
    assert f"cells/{full}/train" in made(result.stdout)
    _check(mixed.parent / "out" / "cells", full, finished.study.parent / "out" / "cells")
    wrong = polypaca(mixed, "--launch", "torchrunn --nproc-per-node 2")
    assert wrong.returncode == 2
    assert "command not found: torchrunn" in wrong.stderr
