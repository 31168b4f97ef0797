"""Packed, grouped and padded batches give every example the same loss and gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch

from polypaca.training import attention, proof
from polypaca.training.batching import packed_batch, padded_batch
from polypaca.training.loop import Passes
from polypaca.training.tokenize import Tokenized
from polypaca.training.trainer import prepare

SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
GROUPED = {**SMALL, "intermediate_size": 64, "num_key_value_heads": 2}
SHAPES: dict[str, dict[str, Any]] = {
    "bloom": {"hidden_size": 48, "n_layer": 2, "n_head": 6},  # heads that are no power of two
    "gpt_neox": {**SMALL, "intermediate_size": 64},
    "llama": GROUPED,  # LLaMA, OpenLLaMA, Baichuan-2 and Llama 3
    "qwen3": {**GROUPED, "head_dim": 8},
    "gemma3_text": {**GROUPED, "head_dim": 8, "sliding_window": 7},  # both kinds of layers
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 4},
    "granite": {**GROUPED, "logits_scaling": 4.0},  # a head that is more than linear
}
UNPACKABLE: dict[str, dict[str, Any]] = {
    "gemma2": {**GROUPED, "head_dim": 8},  # soft-capped attention scores
    "falcon": {**SMALL, "alibi": True},  # attention of its own
    "mamba": {"hidden_size": 32, "num_hidden_layers": 2},  # no attention at all
}
LENGTHS = (19, 7, 12, 30)


def _model(family: str) -> Any:
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(5)
    shape = (SHAPES | UNPACKABLE)[family]
    config = AutoConfig.for_model(
        family, vocab_size=120, pad_token_id=0, bos_token_id=1, eos_token_id=2, **shape
    )
    model = AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]
    # Weights so large that what attention sees matters.
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(5)
    return model.eval()


def _rows() -> Tokenized:
    rng = np.random.default_rng(2)
    starts = np.concatenate([[0], np.cumsum(LENGTHS)])
    half = np.array(LENGTHS, dtype=np.int32) // 2
    return Tokenized(
        rng.integers(3, 120, size=starts[-1]).astype(np.int32), starts.astype(np.int64), half,
        half, half, truncated=0, dropped=0,
    )  # fmt: skip


def _by_itself(model: Any, data: Tokenized, row: int) -> tuple[torch.Tensor, dict[str, Any]]:
    """The summed loss of one example and its gradients, by Transformers alone."""
    model.zero_grad()
    ids, labels_from = data.row(row)
    tokens = torch.from_numpy(ids.astype(np.int64))[None]
    logits = model(input_ids=tokens, use_cache=False).logits[0, :-1].float()
    labels = tokens[0, 1:].clone()
    labels[: labels_from - 1] = -100
    loss = torch.nn.functional.cross_entropy(logits, labels, reduction="sum")
    loss.backward()  # type: ignore[no-untyped-call]
    return loss.detach(), _gradients(model)


def _gradients(model: Any) -> dict[str, Any]:
    return {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


def _compare(found: dict[str, Any], expected: dict[str, Any]) -> None:
    largest = max(float(gradient.abs().max()) for gradient in expected.values())
    for name, gradient in expected.items():
        torch.testing.assert_close(
            found[name], gradient, rtol=1e-3, atol=1e-5 * largest, msg=f"gradient of {name}"
        )


@pytest.mark.parametrize("family", SHAPES)
def test_packed_examples_have_the_loss_and_gradients_that_they_have_alone(family: str) -> None:
    data = _rows()
    alone = [_by_itself(_model(family), data, row) for row in range(len(data))]
    model = _model(family)
    paths = prepare(model)
    assert paths.layout is not None, paths.why_padded
    assert paths.fused == (family != "granite")
    passes = Passes(1000, paths.layout, 0, print)

    each = model(**passes.batch([0, 1, 2, 3], data, model), per_token=True)["loss"]
    sizes = data.supervised.tolist()
    for (loss, _), own in zip(alone, each.split(sizes), strict=True):
        assert own.sum().item() == pytest.approx(loss.item(), rel=1e-4)

    # Each example's gradients, taken out of the packed line by leaving the others' labels away.
    for row, (_, expected) in enumerate(alone):
        batch = passes.batch([0, 1, 2, 3], data, model)
        start, end = data.starts[row], data.starts[row + 1]
        labels = torch.full_like(batch["labels"], -100)
        labels[:, start:end] = batch["labels"][:, start:end]
        model.zero_grad()
        model(**{**batch, "labels": labels})["loss"].backward()
        _compare(_gradients(model), expected)


@pytest.mark.parametrize("family", [*SHAPES, *UNPACKABLE])
def test_padded_examples_have_the_loss_and_gradients_that_they_have_alone(
    family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proof, "can_pack", lambda model: (None, "this test pads"))
    data = _rows()
    alone = [_by_itself(_model(family), data, row) for row in range(len(data))]
    model = _model(family)
    paths = prepare(model)
    passes = Passes(1000, None, 0, print)
    model.zero_grad()
    loss = model(**passes.batch([0, 1, 2, 3], data, model))["loss"]
    loss.backward()
    assert loss.item() == pytest.approx(sum(own.item() for own, _ in alone), rel=1e-4)
    total = {name: sum(gradients[name] for _, gradients in alone) for name in alone[0][1]}
    _compare(_gradients(model), total)
    assert paths.why_padded == "this test pads"


@pytest.mark.parametrize("family", UNPACKABLE)
def test_what_cannot_pack_is_not_packed_and_the_log_says_so(
    family: str, capsys: pytest.CaptureFixture[str]
) -> None:
    model = _model(family)
    before = model.config._attn_implementation
    paths = prepare(model)
    assert paths.layout is None
    assert paths.why_padded
    assert model.config._attn_implementation == before
    assert f"{family}: not packed, since" in capsys.readouterr().out


def test_bloom_with_positions_alone_would_let_examples_see_one_another() -> None:
    """What happens without our attention: the reason for all of this."""
    model, data = _model("bloom"), _rows()
    batch = packed_batch(data, [0, 1])
    with torch.no_grad():
        hidden = model.base_model(input_ids=batch["input_ids"]).last_hidden_state
        alone = model.base_model(input_ids=batch["input_ids"][:, LENGTHS[0] :]).last_hidden_state
    difference = (hidden[:, LENGTHS[0] :] - alone).norm() / alone.norm()
    assert difference > 0.1


def _hidden(model: Any, layout: attention.Layout, ids: torch.Tensor, lengths: Sequence[int]) -> Any:
    layout.set(lengths, ids.device)
    with torch.no_grad():
        return model.base_model(input_ids=ids).last_hidden_state


def test_alibi_in_bfloat16_is_closer_to_float32_than_bloom_itself() -> None:
    ids = torch.arange(3, 103).repeat(5)[None]
    exact = _model("bloom").base_model(input_ids=ids).last_hidden_state
    half = _model("bloom").to(torch.bfloat16)
    own = half.base_model(input_ids=ids).last_hidden_state.float()
    layout, _ = proof.can_pack(half)
    assert layout is not None
    ours = _hidden(half, layout, ids, [500]).float()
    assert (ours - exact).norm() < (own - exact).norm()


def test_a_packed_pass_with_checkpointed_activations_has_the_same_gradients() -> None:
    data = _rows()
    found = []
    for checkpointed in (False, True):
        model = _model("bloom").train()
        passes = Passes(1000, prepare(model).layout, 0, print)
        if checkpointed:
            model.activation_checkpointing_enable()
        for rows in ([0, 1], [2, 3]):
            model(**passes.batch(rows, data, model))["loss"].backward()
        found.append(_gradients(model))
    _compare(found[1], found[0])


def test_padding_has_no_label_even_if_it_is_the_end_of_sequence() -> None:
    data = _rows()
    batch = padded_batch(data, [1, 3], pad_token_id=2)
    assert (batch["labels"][0, LENGTHS[1] :] == -100).all()
    assert (batch["attention_mask"][0, LENGTHS[1] :] == 0).all()


def test_a_process_with_no_row_to_do_takes_part_with_no_loss() -> None:
    model, data = _model("llama"), _rows()
    passes = Passes(1000, prepare(model).layout, 0, print)
    loss = model(**passes.batch([], data, model))["loss"]
    loss.backward()
    assert loss.item() == 0
    gradients = _gradients(model)
    assert "model.layers.0.self_attn.q_proj.weight" in gradients
    assert not any(gradient.any() for gradient in gradients.values())
