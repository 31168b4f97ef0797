"""Cells that are trained on several devices, by a launcher that the user names."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from polypaca.core.manifest import MANIFEST

from .studies import made, polypaca

pytestmark = pytest.mark.slow

TOGETHER = ("--launch", "torchrun --standalone --nproc-per-node 2")


def test_training_on_two_devices(mixed: Path) -> None:
    options = ["methods.lora.dropout=0.0", "recipes=[english]", "systems=[]"]
    cells = mixed.parent / "out" / "cells"
    # Of one process nothing is sharded, whatever the study says.
    alone = polypaca(mixed, *options, "train.sharding=fsdp", verb="train")
    assert alone.returncode == 0, alone.stdout + alone.stderr
    alone_in = cells.rename(mixed.parent / "alone")
    for sharding in ("none", "fsdp"):
        launched = polypaca(mixed, *options, f"train.sharding={sharding}", *TOGETHER, verb="train")
        assert launched.returncode == 0, launched.stdout + launched.stderr
        for cell in ("tiny.lora.monolingual-en.s1", "tiny.full.monolingual-en.s1"):
            manifest = json.loads((cells / cell / "train" / MANIFEST).read_text())
            assert manifest["facts"]["processes"] == 2
            ledger, expected = (
                json.loads((folder / cell / "train" / "ledger.json").read_text())
                for folder in (cells, alone_in)
            )
            assert ledger["validation_loss"] == pytest.approx(expected["validation_loss"], rel=1e-4)
            assert ledger["tokens"] == expected["tokens"]
        shutil.rmtree(cells)


def test_a_cell_that_fails_on_two_devices_says_why_and_leaves_the_others_going(
    mixed: Path,
) -> None:
    # One method's targets are wrong, which is found once the model is loaded.
    options = ["methods.lora.targets=[nowhere]", "recipes=[english]", "systems=[]"]
    result = polypaca(mixed, *options, *TOGETHER, verb="train")
    assert result.returncode == 2, result.stdout + result.stderr
    assert "no module is called nowhere" in result.stdout
    assert "cells/tiny.full.monolingual-en.s1/train" in made(result)
    wrong = polypaca(mixed, "--launch", "torchrunn --nproc-per-node 2")
    assert wrong.returncode == 2
    assert "there is no command torchrunn" in wrong.stderr
