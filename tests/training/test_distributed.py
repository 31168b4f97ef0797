"""Several processes give the loss curve of one: copies (DDP) and shards (FSDP2)."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).parent / "together.py"


FAMILIES = ["bloom", "gpt_neox", "llama"]
SHARDINGS = ["none", "fsdp"]


@pytest.fixture(scope="module")
def trained(
    tiny_model: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Path]:
    """The folder of a cell by how it was trained. As in a run, processes train many, one by one."""
    top = tmp_path_factory.mktemp("together")

    def folder(how: str, family: str, lora: bool, sharding: str = "none") -> Path:
        return top / f"{how}-{family}-{'lora' if lora else 'full'}-{sharding}"

    def job(how: str, family: str, lora: bool, sharding: str = "none", **more: Any) -> Any:
        made = folder(how, family, lora, sharding)
        made.mkdir(exist_ok=True)
        base = str(tiny_model(family))
        return {"base": base, "folder": str(made), "lora": lora, "sharding": sharding, **more}

    cells = [(family, lora) for family in FAMILIES for lora in (True, False)]
    killed = [("gpt_neox", lora, sharding) for lora in (True, False) for sharding in SHARDINGS]
    _launch(top, [job("alone", *cell) for cell in cells], processes=1)
    together = [job("together", *cell, sharding) for cell in cells for sharding in SHARDINGS]
    _launch(top, together + [job("killed", *cell, stop_at=0.6) for cell in killed], processes=2)
    for cell in killed:
        assert (folder("killed", *cell) / "checkpoint-4").is_dir()
        assert not (folder("killed", *cell) / "result.json").exists()
    _launch(top, [job("killed", *cell) for cell in killed], processes=2)
    return folder


def _launch(folder: Path, jobs: list[dict[str, Any]], processes: int) -> None:
    told = folder / "jobs.json"
    told.write_text(json.dumps(jobs))
    launch = [sys.executable]
    if processes > 1:
        launch += ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    result = subprocess.run(
        [*launch, str(SCRIPT), str(told)], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr


def _result(folder: Path) -> Any:
    return json.loads((folder / "result.json").read_text())


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


@pytest.mark.parametrize("lora", [True, False], ids=["lora", "full"])
@pytest.mark.parametrize("family", FAMILIES)
def test_two_processes_give_the_loss_curve_of_one(
    family: str, lora: bool, trained: Callable[..., Path]
) -> None:
    alone = _result(trained("alone", family, lora))
    copies = _result(trained("together", family, lora))
    _agree(copies, alone)
    _same_weights(copies, alone)
    assert copies["sharded"] == 0

    shards = _result(trained("together", family, lora, "fsdp"))
    _agree(shards, alone)
    _same_weights(shards, alone)
    # Every weight but the adapters' is a distributed tensor, of which a process holds its half.
    assert shards["sharded"] == shards["parameters"] - (4 if lora and family != "llama" else
                                                        12 if lora else 0)  # fmt: skip
    assert shards["held"] < 0.6 * shards["numbers"]


@pytest.mark.parametrize("lora", [True, False], ids=["lora", "full"])
@pytest.mark.parametrize("sharding", SHARDINGS)
def test_processes_that_were_killed_go_on_to_the_same_weights(
    sharding: str, lora: bool, trained: Callable[..., Path]
) -> None:
    whole = _result(trained("together", "gpt_neox", lora, sharding))
    resumed = _result(trained("killed", "gpt_neox", lora, sharding))
    _agree(resumed, whole)
    _same_weights(resumed, whole)
