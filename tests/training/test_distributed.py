"""Several processes give the loss curve of one: copies (DDP) and shards (FSDP2)."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parent / "together.py"


def _run(base: Path, folder: Path, processes: int, *, code: int = 0, **arguments: Any) -> Any:
    folder.mkdir(parents=True, exist_ok=True)
    told = folder / "arguments.json"
    told.write_text(json.dumps({"base": str(base), "folder": str(folder), **arguments}))
    launch = [sys.executable]
    if processes > 1:
        launch += ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    result = subprocess.run(
        [*launch, str(SCRIPT), str(told)], capture_output=True, text=True, check=False
    )
    assert (result.returncode == 0) == (code == 0), result.stdout + result.stderr
    return json.loads((folder / "result.json").read_text()) if not code else None


def _curve(result: Any, key: str) -> list[float]:
    return [entry[key] for entry in result["history"] if key in entry]


def _agree(found: Any, expected: Any) -> None:
    for key in ("loss", "eval_loss", "grad_norm"):
        assert _curve(found, key) == pytest.approx(_curve(expected, key), rel=1e-4), key


def _same_weights(one: Any, other: Any) -> None:
    from safetensors.torch import load_file

    (first,), (second,) = (
        list(Path(result["checkpoint"]).glob("*.safetensors")) for result in (one, other)
    )
    expected, found = load_file(first), load_file(second)
    # Of shards, a head that is the embedding is written a second time.
    if (embedding := found.get("transformer.word_embeddings.weight")) is not None:
        found.setdefault("lm_head.weight", embedding)
    assert not expected.keys() - found.keys()
    for name, weights in expected.items():
        assert (weights - found[name]).abs().max() < 1e-4, name


@pytest.mark.slow
@pytest.mark.parametrize("lora", [True, False], ids=["lora", "full"])
@pytest.mark.parametrize("family", ["bloom", "gpt_neox", "llama"])
def test_two_processes_give_the_loss_curve_of_one(
    family: str, lora: bool, tiny_model: Callable[[str], Path], tmp_path: Path
) -> None:
    base = tiny_model(family)
    alone = _run(base, tmp_path / "1", 1, lora=lora, sharding="none")
    copies = _run(base, tmp_path / "2", 2, lora=lora, sharding="none")
    _agree(copies, alone)
    _same_weights(copies, alone)
    assert copies["sharded"] == 0

    shards = _run(base, tmp_path / "s", 2, lora=lora, sharding="fsdp")
    _agree(shards, alone)
    _same_weights(shards, alone)
    # Every weight but the adapters' is a distributed tensor, of which a process holds its half.
    assert shards["sharded"] == shards["parameters"] - (4 if lora and family != "llama" else
                                                        12 if lora else 0)  # fmt: skip
    assert shards["held"] < 0.6 * shards["numbers"]


@pytest.mark.slow
@pytest.mark.parametrize("lora", [True, False], ids=["lora", "full"])
@pytest.mark.parametrize("sharding", ["none", "fsdp"])
def test_processes_that_were_killed_go_on_to_the_same_weights(
    sharding: str, lora: bool, tiny_model: Callable[[str], Path], tmp_path: Path
) -> None:
    base = tiny_model("gpt_neox")
    whole = _run(base, tmp_path / "a", 2, lora=lora, sharding=sharding)
    _run(base, tmp_path / "b", 2, lora=lora, sharding=sharding, stop_at=0.6, code=1)
    assert (tmp_path / "b" / "checkpoint-4").is_dir()
    resumed = _run(base, tmp_path / "b", 2, lora=lora, sharding=sharding)
    _agree(resumed, whole)
    _same_weights(resumed, whole)
