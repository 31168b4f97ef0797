from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from polypaca.core.errors import UserError
from polypaca.core.files import read_jsonl, write_jsonl
from polypaca.core.folders import BaseFolder, CellFolder, PromptsFolder, ResponseFacts
from polypaca.core.records import Prompt, Response
from polypaca.core.work import Context
from polypaca.generation.contract import Generate
from polypaca.models.bases import initialise
from polypaca.models.loading import load_model
from polypaca.stages.generate import AnswerPrompts

pytestmark = pytest.mark.slow

GENERATE = Generate(
    max_new_tokens=8, num_beams=1, no_repeat_ngram_size=0, precision="fp32", batch_size=5
)


def _ignore(fraction: float, text: str) -> None:
    pass


@dataclass(frozen=True)
class Part:
    """Work, and the folder that it fills."""

    work: AnswerPrompts
    folder: Path

    def changed(self, **changes: Any) -> Part:
        """The same with other settings of `generate`."""
        how = self.work.generate.model_copy(update=changes)
        return replace(self, work=replace(self.work, generate=how))


def _generate(
    parts: list[Part], progress: Callable[[float, str], None] = _ignore
) -> dict[int, ResponseFacts | Exception]:
    for part in parts:
        part.folder.mkdir(parents=True, exist_ok=True)
    given = [(part.work, Context(part.folder, progress=progress)) for part in parts]
    found: dict[int, ResponseFacts | Exception] = {}
    for index, result in AnswerPrompts.run_all(given):
        assert isinstance(result, (ResponseFacts, Exception))
        found[index] = result
    return found


def _adapter(base: Path, folder: Path, seed: int, *, broken: bool = False) -> Path:
    """A checkpoint's folder with a LoRA adapter that changes what the base says."""
    import torch
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(seed)
    config = LoraConfig(r=4, lora_alpha=64, target_modules=["query_key_value"])
    model = get_peft_model(load_model(base), config)
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight.data, std=0.5)
            weight.data *= torch.nan if broken else 1
    model.save_pretrained(str(folder / "adapter"))
    return folder


@pytest.fixture
def parts(tmp_path: Path, tiny_model: Callable[[str], Path]) -> list[Part]:
    """An untuned base, two adapters on it, and another model: 12 prompts to each."""
    for code in ("en", "es"):
        rows = [
            Prompt(id=str(n), language=code, prompt=f"{code} animal " * (1 + n % 3))
            for n in range(6)
        ]
        write_jsonl(tmp_path / "prompts" / f"{code}.jsonl", rows)
    base = tiny_model("gpt_neox")
    own: dict[str, Any] = {
        "m.base": None,
        "m.a": _adapter(base, tmp_path / "cells" / "a", 1),
        "m.b": _adapter(base, tmp_path / "cells" / "b", 2),
        "m.full": tmp_path / "cells" / "full",
    }
    own["m.full"].mkdir(parents=True)
    (own["m.full"] / "model").symlink_to(tiny_model("llama"))
    return [
        Part(
            AnswerPrompts(
                prompts=PromptsFolder(tmp_path / "prompts"), base=BaseFolder(base), system=name,
                checkpoint=CellFolder(checkpoint) if checkpoint else None,
                languages=["en", "es"], template="alpaca", generate=GENERATE,
            ),
            tmp_path / "out" / name,
        )
        for name, checkpoint in own.items()
    ]  # fmt: skip


def _run(
    parts: list[Part], progress: Callable[[float, str], None] = _ignore
) -> dict[str, list[Response]]:
    for index, result in _generate(parts, progress).items():
        assert isinstance(result, ResponseFacts), parts[index].work.system
        assert (result.responses, result.precision) == (12, "float32")
    return {p.work.system: list(read_jsonl(p.folder / "responses.jsonl", Response)) for p in parts}


def _elsewhere(parts: list[Part], name: str) -> list[Part]:
    return [
        replace(part, folder=part.folder.parent.parent / name / part.work.system) for part in parts
    ]


def test_one_pass_gives_every_system_what_it_gives_alone(parts: list[Part]) -> None:
    together = _run(parts)
    order = [(code, str(n)) for code in ("en", "es") for n in range(6)]
    for part in _elsewhere(parts, "alone"):
        alone = _run([part])[part.work.system]
        assert [(r.language, r.prompt_id) for r in alone] == order
        assert together[part.work.system] == alone
    texts = {name: tuple(r.response for r in found) for name, found in together.items()}
    assert len(set(texts.values())) == 4, "the adapters change nothing: nothing was tested"


def test_a_killed_pass_goes_on_and_gives_the_same_answers(parts: list[Part]) -> None:
    whole = _run(parts)
    again = _elsewhere(parts, "again")

    def kill(fraction: float, text: str) -> None:
        if fraction >= 0.5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _run(again, kill)
    begun = [part.folder / "partial.jsonl" for part in again]
    before = sum(len(path.read_bytes().splitlines()) for path in begun if path.exists())
    assert before == 20, "36 prompts on the base, batches of 5"
    # Killed in the middle of a line, and of a batch: another system's part of it is not there.
    with begun[0].open("ab") as file:
        file.write(b'{"system": "m.base", "prompt_id"')
    lines = begun[1].read_bytes().splitlines(keepends=True)
    begun[1].write_bytes(b"".join(lines[:-1]))
    told: list[str] = []
    assert _run(again, lambda fraction, text: told.append(text)) == whole
    # One batch of the four is answered again.
    assert told[0] == "20/36 answers"
    assert [sorted(path.name for path in part.folder.iterdir()) for part in again] == [
        ["responses.jsonl"]
    ] * 4


def test_an_adapter_that_cannot_be_used_leaves_the_others_going(
    parts: list[Part], tmp_path: Path
) -> None:
    base = parts[0].work.base.path
    broken = CellFolder(_adapter(base, tmp_path / "cells" / "broken", 3, broken=True))
    work = replace(parts[1].work, system="m.bad", checkpoint=broken)
    results = _generate([parts[0], Part(work, tmp_path / "out" / "bad"), parts[2]])
    assert isinstance(results[1], UserError)
    assert "not finite" in str(results[1])
    assert isinstance(results[0], ResponseFacts)
    assert isinstance(results[2], ResponseFacts)


def test_a_prompt_too_long_for_the_model_fails_its_pass_alone(
    parts: list[Part], tokenizer_file: Path, tmp_path: Path
) -> None:
    # GPT-2's table of positions ends.
    config = {"model_type": "gpt2", "n_positions": 64, "n_embd": 32, "n_layer": 1, "n_head": 2}
    (tmp_path / "gpt2").mkdir()
    initialise(tmp_path / "gpt2", config, tokenizer_file, seed=1)
    short = replace(parts[0].work, base=BaseFolder(tmp_path / "gpt2"))
    results = _generate([replace(parts[0], work=short), parts[1]])
    assert "more than 56: the model has 64 positions, and 8 are for the answer" in str(results[0])
    assert isinstance(results[1], ResponseFacts)


def test_a_prompt_that_is_too_long_fails_those_alone_that_are_asked_it(parts: list[Part]) -> None:
    long = Prompt(id="long", language="es", prompt="es animal " * 500)
    most = 400
    path = parts[0].work.prompts.file("es")
    write_jsonl(path, [*read_jsonl(path, Prompt), long])
    both = [part.changed(max_prompt_tokens=most) for part in parts[1:3]]
    english = replace(both[0], work=replace(both[0].work, languages=["en"]))
    found = _generate([english, both[1]])
    assert isinstance(found[0], ResponseFacts)
    assert found[0].responses == 6
    assert isinstance(found[1], UserError)
    assert "prompt long (es) has" in str(found[1])
    # What may be cut is, and is told.
    facts = _generate([both[1].changed(on_long_prompt="cut")])[0]
    assert isinstance(facts, ResponseFacts)
    assert facts.responses == 13
    assert facts.cut_prompts == ["long (es)"]
    assert "1 prompts cut at the limit: long (es)" in facts.summary


def test_tokens_bound_batches_and_change_no_answer(parts: list[Part]) -> None:
    whole = _run(parts)
    narrow = [part.changed(batch_tokens=1) for part in _elsewhere(parts, "narrow")]
    told: list[str] = []
    assert _run(narrow, lambda fraction, text: told.append(text)) == whole
    assert told[:2] == ["1/36 answers", "2/36 answers"]
