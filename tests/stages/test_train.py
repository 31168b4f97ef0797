from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest

from polypaca.core.errors import DataError
from polypaca.core.files import write_jsonl
from polypaca.core.folders import (
    BaseFolder,
    CellFolder,
    HeldOutFolder,
    MixtureFolder,
    PromptsFolder,
)
from polypaca.core.records import Example
from polypaca.core.work import Context
from polypaca.generation.contract import Generate
from polypaca.models.templates import TEMPLATES
from polypaca.stages.train import TrainCell
from polypaca.training.settings import Full, Lora

pytestmark = pytest.mark.slow

Kind = Literal["lora", "full"]


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
        "evaluations": 2, "checkpoint": "best",
    }  # fmt: skip
    heldout = changes.pop("heldout", None)
    rate = changes.pop(
        "rate", (settings | changes)["learning_rate"]
    )  # beyond what a study may say, too
    method = (Lora if kind == "lora" else Full)(**(settings | changes))
    work = TrainCell(
        base=BaseFolder(base),
        mixture=MixtureFolder(mixture),
        heldout=HeldOutFolder(heldout) if heldout else None,
        method=method.model_copy(update={"learning_rate": rate}),
        seed=1,
        cell="c",
    )
    return work.run(Context(folder)).recorded()


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
        weights.name, "ledger.json", "heldout.json", "metrics.jsonl"
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


@pytest.mark.parametrize("kind", ["lora", "full"])
def test_the_ledger_says_what_the_cell_took(
    kind: Kind, tmp_path: Path, tiny_model: Callable[[str], Path]
) -> None:
    base, mixture = tiny_model("bloom"), _mixture(tmp_path / "m")
    _train(tmp_path / "c", base, mixture, kind, precision="fp32")
    ledger = json.loads((tmp_path / "c" / "ledger.json").read_text())
    assert ledger["flops"] == (4 if kind == "lora" else 6) * ledger["parameters"] * ledger["tokens"]
    assert ledger["precision"] == "float32"
    assert ledger["packed"]
    assert 0 < ledger["mfu"] < 1
    assert ledger["tokens_per_second"] > 0
    assert ledger["peak_memory_bytes"] > 10**7
    weights = "adapter" if kind == "lora" else "model"
    card = (tmp_path / "c" / weights / "README.md").read_text()
    assert "library_name: " + ("peft" if kind == "lora" else "transformers") in card
    assert "| learning_rate | 0.01 |" in card
    template = json.loads((tmp_path / "c" / weights / "prompt_template.json").read_text())
    assert template["without_input"] == TEMPLATES["alpaca"].without_input


def _heldout(folder: Path) -> Path:
    for language, text in (("en", "The number {}."), ("es", "El número {}.")):
        rows = [
            Example(id=f"{n}.{language}", source=str(n), split="validation", language=language,
                    instruction="Say it.", output=text.format(n))
            for n in range(5)
        ]  # fmt: skip
        write_jsonl(folder / f"{language}.jsonl", rows)
    return folder


@pytest.mark.parametrize("kind", ["lora", "full"])
def test_held_out_bits_per_byte_are_those_of_the_saved_weights(
    kind: Kind, tmp_path: Path, tiny_model: Callable[[str], Path]
) -> None:
    import math

    import torch
    from peft import AutoPeftModelForCausalLM
    from transformers import AutoModelForCausalLM

    from polypaca.models.loading import load_tokenizer

    base = tiny_model("gpt_neox")
    # So high a rate that the best checkpoint is not the last one.
    rate = 0.5 if kind == "full" else 3.0
    changes = {"rate": rate, "schedule": "constant", "evaluations": 6, "epochs": 2}
    _train(tmp_path / "c", base, _mixture(tmp_path / "m"), kind,
           heldout=_heldout(tmp_path / "h"), precision="fp32", **changes)  # fmt: skip
    ledger = json.loads((tmp_path / "c" / "ledger.json").read_text())
    assert ledger["best_step"] < ledger["steps"]
    found = json.loads((tmp_path / "c" / "heldout.json").read_text())
    library = AutoPeftModelForCausalLM if kind == "lora" else AutoModelForCausalLM
    model = library.from_pretrained(tmp_path / "c" / ("adapter" if kind == "lora" else "model"))
    tokenizer = load_tokenizer(base)
    # By hand, one example at a time.
    nats = size = 0.0
    prompt = TEMPLATES["alpaca"].render("Say it.")
    for n in range(5):
        answer = f"El número {n}."
        encoded = tokenizer(prompt + answer, return_offsets_mapping=True)
        ids = torch.tensor([encoded["input_ids"]])
        with torch.no_grad():
            logs = model(input_ids=ids).logits[0].log_softmax(-1)
        for position, (start, _) in enumerate(encoded["offset_mapping"]):
            if start >= len(prompt):
                nats -= logs[position - 1, ids[0, position]].item()
        size += len(answer.encode())
    assert found["es"]["bytes"] == size
    assert found["es"]["bits_per_byte"] == pytest.approx(nats / math.log(2) / size, rel=1e-4)
    assert found["en"]["bits_per_byte"] != found["es"]["bits_per_byte"]


def test_a_chat_models_own_template_is_trained_and_asked(
    tmp_path: Path, tiny_model: Callable[[str], Path]
) -> None:
    from polypaca.core.records import Prompt
    from polypaca.models.loading import load_tokenizer
    from polypaca.stages.generate import AnswerPrompts

    base = tmp_path / "chat"
    shutil.copytree(tiny_model("llama"), base, symlinks=False)
    settings = json.loads((base / "tokenizer_config.json").read_text())
    settings["chat_template"] = (
        "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}</s>\n{% endfor %}"
    )
    (base / "tokenizer_config.json").write_text(json.dumps(settings))
    load_tokenizer.cache_clear()
    rate = {"learning_rate": 3e-2, "epochs": 60, "batch_size": 5, "precision": "fp32"}
    _train(tmp_path / "c", base, _mixture(tmp_path / "m"), "full", template="chat", **rate)
    template = json.loads((tmp_path / "c" / "model" / "prompt_template.json").read_text())
    assert template["without_input"] == "<|user|>\n{instruction}</s>\n<|assistant|>\n"
    assert template["closing"] == "</s>"

    (tmp_path / "p").mkdir()
    (tmp_path / "r").mkdir()
    write_jsonl(tmp_path / "p" / "en.jsonl", [Prompt(id="1", language="en", prompt="Say it. ")])
    work = AnswerPrompts(
        prompts=PromptsFolder(tmp_path / "p"), base=BaseFolder(base),
        checkpoint=CellFolder(tmp_path / "c"), system="c", languages=["en"], template="chat",
        generate=Generate(
            precision="fp32", max_new_tokens=30, num_beams=1, no_repeat_ngram_size=0
        ),
    )  # fmt: skip
    for _ in AnswerPrompts.run_all([(work, Context(tmp_path / "r"))]):
        pass
    (answer,) = (tmp_path / "r" / "responses.jsonl").read_text().splitlines()
    # It has learned to answer, and to stop at the end of its turn.
    assert json.loads(answer)["response"].startswith("The number")
    assert json.loads(answer)["finish_reason"] == "stop"
