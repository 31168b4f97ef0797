from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from polypaca.training import memory
from polypaca.training.trainer import prepare

CRAMPED = """
import json, os, resource, sys
import psutil, torch
from pathlib import Path
from transformers import AutoConfig, AutoModelForCausalLM
from polypaca.training.settings import Full, Hardware
from polypaca.training.trainer import Setup, fine_tune
from polypaca.training.tokenize import Tokenized
import numpy as np
import polypaca.training.loop

torch.set_num_threads(1)
# A process for each, which differs from the others in nothing but its limit.
for job in json.loads(sys.argv[1]):
    if not (child := os.fork()):
        break
    if os.waitpid(child, 0)[1]:
        sys.exit(f"{job[0]} failed")
else:
    sys.exit()
folder, spare, wanted = Path(job[0]), job[1], job[2]
os.dup2(os.open(folder / "output", os.O_WRONLY | os.O_CREAT), 1)
torch.manual_seed(1)
config = AutoConfig.for_model("llama", hidden_size=256, num_hidden_layers=4, num_attention_heads=4,
                              intermediate_size=512, vocab_size=400)
model = AutoModelForCausalLM.from_config(config)
length, count = 128, 40
starts = np.arange(count + 1, dtype=np.int64) * length
zeros = np.zeros(count, dtype=np.int32)
ids = np.random.default_rng(1).integers(3, 400, size=count * length).astype(np.int32)
rows = Tokenized(ids, starts, zeros, zeros, zeros, truncated=0, dropped=0)
limit = psutil.Process().memory_info().vms + spare
resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
trained = fine_tune(
    model, rows, rows,
    Full(learning_rate=1e-3, batch_size=40, epochs=1, evaluations=1, checkpoint="last"),
    Setup(folder, pad_token_id=0, seed=1, hardware=Hardware(**wanted)),
)
result = {"tokens": trained.micro_batch_tokens, "loss": trained.validation_loss,
          "checkpointing": trained.activation_checkpointing}
Path(folder, "result.json").write_text(json.dumps(result))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit on the address space")
def test_a_limit_on_memory_divides_passes(tmp_path: Path) -> None:
    jobs: dict[str, tuple[int, dict[str, Any]]] = {
        "ample": (8 << 30, {"micro_batch_tokens": 5120}),
        "told": (250 << 20, {"micro_batch_tokens": 5120, "activation_checkpointing": "never"}),
        "found": (250 << 20, {}),
    }
    for name in jobs:
        (tmp_path / name).mkdir()
    told = json.dumps([(str(tmp_path / name), *job) for name, job in jobs.items()])
    result = subprocess.run(
        [sys.executable, "-c", CRAMPED, told], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    results = {name: json.loads((tmp_path / name / "result.json").read_text()) for name in jobs}
    output = {name: (tmp_path / name / "output").read_text() for name in jobs}
    assert results["ample"]["tokens"] == 5120
    # Told to take more than fits: an allocation fails, the pass is divided, training goes on.
    assert results["told"]["tokens"] < 5120
    assert "out of memory" in output["told"]
    # Left to itself it takes what fits from the start.
    assert "out of memory" not in output["found"]
    for name in ("told", "found"):
        assert results[name]["loss"] == pytest.approx(results["ample"]["loss"], rel=1e-4)


def test_tokens_that_fit() -> None:
    # Half of 10 GB is for activations: 5,000 tokens of 1 MB, 19 times 256 and some.
    assert memory.tokens_that_fit(10 * 10**9, 10**6) == 19 * 256
    assert memory.tokens_that_fit(10**8, 10**6) == 50


def test_what_checkpointing_leaves() -> None:
    # 4 layers that keep 100 bytes each of 2,000, and one layer's 500 at a time.
    assert memory.checkpointed_bytes(2000.0, 4, 100) == 4 * 100 + 500


def test_activations_are_counted_a_token_and_without_weights(
    tiny_model: Callable[[str], Path],
) -> None:
    from polypaca.models.loading import load_model

    model = load_model(tiny_model("llama"))
    paths = prepare(model)
    assert paths.layout is not None
    found = []
    for tokens in (50, 200):
        ids = torch.arange(tokens)[None] % 100 + 3
        paths.layout.set([tokens], ids.device)
        batch = {"input_ids": ids, "position_ids": paths.layout.positions[None], "labels": ids}
        found.append(memory.activation_bytes(model, batch))
    assert found[0] == pytest.approx(found[1], rel=0.2)
    # Two layers of width 32 in float32 keep some dozens of vectors of that width, and no weights.
    assert 10 * 32 * 4 < found[1] < 100 * 32 * 4 * 2


def test_what_counts_as_running_out_of_memory() -> None:
    assert memory.is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory"))
    assert memory.is_out_of_memory(
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes")
    )
    assert not memory.is_out_of_memory(RuntimeError("shapes do not match"))
