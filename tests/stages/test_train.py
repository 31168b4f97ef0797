from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest

from polypaca.core.errors import DataError
from polypaca.core.files import write_jsonl
from polypaca.core.records import Example
from polypaca.stages.train import train

Kind = Literal["lora", "full"]


def _ignore(fraction: float, text: str) -> None:
    pass


def _mixture(folder: Path) -> Path:
    for split in ("train", "validation"):
        rows = [
            Example(
                id=f"{n}.en", source=str(n), split="train", language="en",
                instruction="Say it. " * (1 if n else 200), output=f"The number {n}.",
            )
            for n in range(6)
        ]  # fmt: skip
        write_jsonl(folder / f"{split}.jsonl", rows)
    return folder


def _train(folder: Path, base: Path, mixture: Path, kind: Kind, **changes: Any) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "learning_rate": 1e-2, "batch_size": 2, "epochs": 1, "schedule": "linear",
        "weight_decay": 0.0, "max_length": 300, "loss_on": "response", "template": "alpaca",
        "evaluations": 2, "checkpoint": "best", "seed": 1, "progress": _ignore,
    }  # fmt: skip
    return train(folder, base=base, mixture=mixture, kind=kind, **(settings | changes))


@pytest.mark.parametrize("kind", ["lora", "full"])
def test_a_cell_loads_with_plain_libraries(
    kind: Kind, tmp_path: Path, tiny_model: Callable[[str], Path]
) -> None:
    from peft import AutoPeftModelForCausalLM
    from transformers import AutoModelForCausalLM, AutoTokenizer

    facts = _train(tmp_path / "c", tiny_model("llama"), _mixture(tmp_path / "m"), kind)
    weights = tmp_path / "c" / ("adapter" if kind == "lora" else "model")
    library = AutoPeftModelForCausalLM if kind == "lora" else AutoModelForCausalLM
    library.from_pretrained(weights)
    AutoTokenizer.from_pretrained(weights)
    assert {path.name for path in (tmp_path / "c").iterdir()} == {
        weights.name, "ledger.json", "metrics.jsonl"
    }  # fmt: skip
    assert (facts["trained_parameters"] < facts["parameters"]) == (kind == "lora")


def test_rows_without_any_response_left_are_counted(
    tmp_path: Path, tiny_model: Callable[[str], Path]
) -> None:
    mixture, base = _mixture(tmp_path / "m"), tiny_model("llama")
    facts = _train(tmp_path / "c", base, mixture, "lora")
    assert "1 rows dropped" in facts["summary"]
    ledger = json.loads((tmp_path / "c" / "ledger.json").read_text())
    assert (ledger["examples"], ledger["dropped_rows"], ledger["steps"]) == (5, 1, 3)
    with pytest.raises(DataError, match="raise max_length"):
        _train(tmp_path / "none", base, mixture, "lora", max_length=16)


def test_a_kill_while_checkpoints_are_deleted_costs_nothing(
    tmp_path: Path, tiny_model: Callable[[str], Path]
) -> None:
    mixture, base = _mixture(tmp_path / "m"), tiny_model("llama")
    first = _train(tmp_path / "c", base, mixture, "full")
    half = tmp_path / "c" / "checkpoints" / "checkpoint-3"
    half.mkdir(parents=True)
    (half / "trainer_state.json").write_text('{"global_step": 3}')
    assert _train(tmp_path / "c", base, mixture, "full") == first
    assert not half.exists()
