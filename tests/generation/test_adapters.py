from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel

from polypaca.core.errors import UserError
from polypaca.generation.adapters import with_adapters
from polypaca.generation.batching import encode
from polypaca.generation.contract import Decoding
from polypaca.models.loading import load_model, load_tokenizer

from .together import FAMILIES, PROMPTS, alone, together, write_adapter

GREEDY = Decoding(max_new_tokens=12, num_beams=1, no_repeat_ngram_size=0)
PAPER = Decoding(max_new_tokens=12)
# PEFT's own names for adapters take no dots.
NAMES = [None, "tiny.lora.monolingual-es.s1", "b", "c", "b"]


@pytest.fixture(scope="module")
def folders(
    tiny_model: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], dict[str, Path]]:
    """Three adapters of a family, of different ranks and precisions."""
    made: dict[str, dict[str, Path]] = {}

    def of(family: str) -> dict[str, Path]:
        if family not in made:
            top, base = tmp_path_factory.mktemp(family), tiny_model(family)
            made[family] = {
                NAMES[1] or "": write_adapter(top / "a", base, rank=2, seed=1),
                "b": write_adapter(top / "b", base, rank=5, seed=2, dtype="bfloat16"),
                "c": write_adapter(top / "c", base, rank=1, seed=3, dtype="float16"),
            }
        return made[family]

    return of


@pytest.mark.slow
@pytest.mark.parametrize("decoding", [GREEDY, PAPER])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_mixed_batch_answers_as_peft_does_each_adapter_alone(
    family: str,
    decoding: Decoding,
    tiny_model: Callable[[str], Path],
    folders: Callable[[str], dict[str, Path]],
) -> None:
    base = tiny_model(family)
    model, tokenizer = load_model(base, dtype="float32"), load_tokenizer(base)
    rows = encode(tokenizer, PROMPTS)
    before = together(model, tokenizer, rows, decoding)
    with with_adapters(model, folders(family)) as adapters:
        mixed = together(model, tokenizer, rows, decoding, adapters, NAMES)
        own = [
            together(model, tokenizer, [row], decoding, adapters, [name])[0]
            for row, name in zip(rows, NAMES, strict=True)
        ]
        assert together(model, tokenizer, rows, decoding) == before
    assert mixed == own
    assert together(model, tokenizer, rows, decoding) == before
    for row, name, found, plain in zip(rows, NAMES, mixed, before, strict=True):
        if name is None:
            assert found == plain
            continue
        peft: Any = PeftModel.from_pretrained(
            load_model(base, dtype="float32"), str(folders(family)[name])
        )
        assert found == alone(peft, tokenizer, row, decoding)
    assert mixed[1:] != before[1:]


def test_logits_of_mixed_rows_are_those_of_peft(
    tiny_model: Callable[[str], Path], folders: Callable[[str], dict[str, Path]]
) -> None:
    base = tiny_model("gpt_neox")
    model = load_model(base, dtype="float32")
    ids = torch.arange(3, 48).view(3, 15)
    with (
        torch.inference_mode(),
        with_adapters(model, folders("gpt_neox")) as adapters,
        adapters.on_rows(["b", None, "c"]),
    ):
        found = model(ids).logits
    expected = []
    for row, name in zip(ids, ["b", None, "c"], strict=True):
        own: Any = load_model(base, dtype="float32")
        if name:
            own = PeftModel.from_pretrained(own, str(folders("gpt_neox")[name]))
        with torch.inference_mode():
            expected.append(own(row[None]).logits[0])
    assert torch.allclose(found, torch.stack(expected), rtol=1e-4, atol=1e-5)


def test_adapters_take_the_bases_precision_and_leave_it_as_it_was(
    tiny_model: Callable[[str], Path], folders: Callable[[str], dict[str, Path]]
) -> None:
    base = tiny_model("llama")
    model, tokenizer = load_model(base, dtype="bfloat16"), load_tokenizer(base)
    before = {name: weights.clone() for name, weights in model.state_dict().items()}
    rows = encode(tokenizer, PROMPTS)
    with with_adapters(model, folders("llama")) as adapters:
        assert len(together(model, tokenizer, rows, GREEDY, adapters, NAMES)) == len(rows)
        with adapters.on_rows(["b"]):
            assert model(torch.tensor(rows[:1])).logits.dtype == torch.bfloat16
    after = model.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[name], weights) for name, weights in before.items())


def test_no_adapters_is_the_base(tiny_model: Callable[[str], Path]) -> None:
    model, tokenizer = load_model(tiny_model("llama")), load_tokenizer(tiny_model("llama"))
    rows = encode(tokenizer, PROMPTS)
    with with_adapters(model, {}) as adapters:
        found = together(model, tokenizer, rows, GREEDY, adapters, [None] * len(rows))
    assert found == together(model, tokenizer, rows, GREEDY)


def test_an_unknown_name_is_refused(
    tiny_model: Callable[[str], Path], folders: Callable[[str], dict[str, Path]]
) -> None:
    model = load_model(tiny_model("llama"))
    with (
        with_adapters(model, folders("llama")) as adapters,
        pytest.raises(UserError, match="no adapter is loaded as z"),
        adapters.on_rows(["z"]),
    ):
        pass


def _changed(folder: Path, source: Path, **config: Any) -> Path:
    folder.mkdir()
    for file in source.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    path = folder / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **config}))
    return folder


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"use_dora": True}, "the adapter has use_dora; only plain LoRA"),
        ({"bias": "all"}, "the adapter has bias"),
        ({"r": 7}, "does not fit the model"),
        ({"target_modules": ["no_such_module"]}, "does not fit the model"),
        ({"peft_type": "NONE"}, "the adapter could not be read"),
    ],
)
@pytest.mark.parametrize("second", [False, True])
def test_adapters_that_cannot_be_used_are_refused(
    change: dict[str, Any],
    message: str,
    second: bool,
    tiny_model: Callable[[str], Path],
    folders: Callable[[str], dict[str, Path]],
    tmp_path: Path,
) -> None:
    model, tokenizer = load_model(tiny_model("llama")), load_tokenizer(tiny_model("llama"))
    rows = encode(tokenizer, PROMPTS)
    before = together(model, tokenizer, rows, GREEDY)
    names = list(model.state_dict())
    wrong = {"wrong": _changed(tmp_path / "wrong", folders("llama")["b"], **change)}
    wanted = {"c": folders("llama")["c"], **wrong} if second else wrong
    with pytest.raises(UserError, match=message), with_adapters(model, wanted):
        pass
    assert list(model.state_dict()) == names
    assert together(model, tokenizer, rows, GREEDY) == before


def test_a_folder_without_an_adapter_is_refused(
    tiny_model: Callable[[str], Path], tmp_path: Path
) -> None:
    model = load_model(tiny_model("llama"))
    with (
        pytest.raises(UserError, match="the adapter could not be read"),
        with_adapters(model, {"a": tmp_path}),
    ):
        pass


def test_a_diverged_adapter_is_refused(
    tiny_model: Callable[[str], Path], folders: Callable[[str], dict[str, Path]], tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    folder = _changed(tmp_path / "nan", folders("llama")["b"])
    weights = load_file(folder / "adapter_model.safetensors")
    next(iter(weights.values())).fill_(torch.nan)
    save_file(weights, folder / "adapter_model.safetensors")
    with (
        pytest.raises(UserError, match="has weights that are not finite"),
        with_adapters(load_model(tiny_model("llama")), {"diverged.s1": folder}),
    ):
        pass


def test_adapters_on_gpt2s_transposed_projections(tmp_path: Path) -> None:
    from transformers import AutoConfig, AutoModelForCausalLM

    def model() -> Any:
        torch.manual_seed(1)
        config = AutoConfig.for_model(
            "gpt2", vocab_size=50, n_embd=16, n_layer=2, n_head=2, n_positions=64
        )
        return AutoModelForCausalLM.from_config(config).eval()  # type: ignore[no-untyped-call]

    from peft import LoraConfig, get_peft_model

    config = LoraConfig(target_modules=["c_attn"], fan_in_fan_out=True, init_lora_weights=False)
    get_peft_model(model(), config).save_pretrained(str(tmp_path))
    ids = torch.arange(12).view(1, 12)
    with torch.inference_mode():
        expected = PeftModel.from_pretrained(model(), str(tmp_path))(ids).logits
        own = model()
        with with_adapters(own, {"a": tmp_path}) as adapters, adapters.on_rows(["a"]):
            assert torch.allclose(own(ids).logits, expected, atol=1e-5)
