"""The held-out loss of all contenders, by one function: fp32, mean over all predictions.

A process of its own: JSON file in (a task, and the folders of weights by name), JSON file out.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.peers.common import Task, load_base, read_rows
from benchmarks.peers.plain_trainer import collator

BATCH = 4


def held_out_loss(model: Any, rows: list[dict[str, Any]], task: Task) -> float:
    """Mean cross-entropy in nats over all labels of the rows."""
    import torch
    from torch.nn.functional import cross_entropy

    model.eval()
    collate = collator(task.pad)
    total, count = 0.0, 0
    for start in range(0, len(rows), BATCH):
        batch = {
            name: values.to(task.device)
            for name, values in collate(rows[start : start + BATCH]).items()
        }
        labels = batch.pop("labels")[:, 1:]
        with torch.no_grad():
            logits = model(**batch, use_cache=False).logits[:, :-1].float()
        wanted = labels != -100
        total += float(cross_entropy(logits[wanted], labels[wanted], reduction="sum"))
        count += int(wanted.sum())
    return total / count


def losses(task: Task, folders: dict[str, str]) -> dict[str, float]:
    """The loss before training, and that of every folder of weights."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    rows = read_rows(task, "held_out")
    base = load_base(task, torch.float32)
    found = {"before": held_out_loss(base, rows, task)}
    if task.method == "full":
        del base
    for name, folder in folders.items():
        if task.method == "full":
            tuned: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
            found[name] = held_out_loss(tuned.to(task.device), rows, task)
        else:
            tuned = PeftModel.from_pretrained(base, folder)
            found[name] = held_out_loss(tuned, rows, task)
            base = tuned.unload()
    return found


def main() -> None:
    """Read what to evaluate, write the losses."""
    import torch

    given = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    task = Task(**given["task"])
    torch.set_num_threads(task.threads)
    Path(sys.argv[2]).write_text(json.dumps(losses(task, given["folders"])), encoding="utf-8")


if __name__ == "__main__":
    main()
