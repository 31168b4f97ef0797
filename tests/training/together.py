"""`together.py JOBS.json` trains tiny cells in turn, alone or as one of several processes.

Each writes `result.json` beside its checkpoints, unless it is told to stop before its end.
"""

from __future__ import annotations

import json
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from polypaca.models.families import adapter_targets
from polypaca.models.loading import load_model, load_tokenizer, pad_token_id
from polypaca.training import distributed
from polypaca.training.checkpoints import last_checkpoint
from polypaca.training.settings import Full, Hardware, Lora
from polypaca.training.tokenize import tokenize
from polypaca.training.trainer import Setup, fine_tune, with_adapter


class KilledError(Exception):
    """As if the processes were killed between two steps."""


def main(jobs: list[dict[str, Any]]) -> None:
    """Train as told."""
    import torch

    torch.set_num_threads(1)
    distributed.join()
    for arguments in jobs:
        with suppress(KilledError):
            result = train(arguments)
            if distributed.is_main():
                (Path(arguments["folder"]) / "result.json").write_text(json.dumps(result))
    distributed.leave()


def train(arguments: dict[str, Any]) -> dict[str, Any]:
    """Train one cell; what came of it on this process."""
    import torch

    base, folder = Path(arguments["base"]), Path(arguments["folder"])
    shards = distributed.world_size() if arguments["sharding"] == "fsdp" else 1
    model = load_model(
        (None if arguments["lora"] else last_checkpoint(folder)) or base,
        dtype="float32",
        shards=shards,
        cpu_offload=arguments.get("cpu_offload", False),
    )
    if arguments["lora"]:
        names = adapter_targets(model, model.config.model_type, "attention-qkv")
        model = with_adapter(model, Lora(rank=4, alpha=8, dropout=0.0), names, seed=7)
    tokenizer = load_tokenizer(base)
    pairs = [(f"Name {n} animals.\n", "The cat, the dog." * (1 + n % 3)) for n in range(1, 30)]
    rows = tokenize(pairs, tokenizer, max_length=128, loss_on="all")

    def progress(fraction: float, text: str) -> None:
        if fraction > arguments.get("stop_at", 2.0):
            raise KilledError

    trained = fine_tune(
        model, rows, rows,
        Full(
            learning_rate=5e-3, batch_size=8, epochs=2, warmup_ratio=0.1, weight_decay=0.01,
            evaluations=4, checkpoint="last",
        ),
        Setup(
            folder, pad_token_id=pad_token_id(tokenizer), seed=7,
            hardware=Hardware(micro_batch_tokens=120), progress=progress,
        ),
    )  # fmt: skip
    sharded = [
        name
        for name, p in model.named_parameters()
        if isinstance(p, torch.distributed.tensor.DTensor)
    ]
    local = sum(
        p.to_local().numel() if isinstance(p, torch.distributed.tensor.DTensor) else p.numel()
        for p in model.parameters()
    )
    return {
        "history": trained.history,
        "checkpoint": str(trained.checkpoint),
        "sharded": len(sharded),
        "parameters": len(list(model.parameters())),
        "held": local,
        "numbers": sum(p.numel() for p in model.parameters()),
    }


if __name__ == "__main__":
    main(json.loads(Path(sys.argv[1]).read_text()))
