"""Training on CUDA devices: kernels, memory, launcher, offload. Skipped where there is none."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from polypaca.training.attention import Layout, packed_attention, with_alibi
from polypaca.training.loop import Passes
from polypaca.training.settings import Full, Hardware
from polypaca.training.tokenize import Tokenized
from polypaca.training.trainer import Setup, fine_tune, prepare

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
LENGTHS = [130, 7, 64, 511]
TOGETHER = Path(__file__).parents[1] / "training" / "together.py"


def _parts(heads: int, key_heads: int, size: int) -> list[torch.Tensor]:
    generator = torch.Generator("cuda").manual_seed(1)
    return [
        torch.randn(1, count, sum(LENGTHS), size, device="cuda", generator=generator)
        for count in (heads, key_heads, key_heads)
    ]


@pytest.mark.parametrize("size", [64, 80, 96, 128])  # those of BLOOM and Pythia
@pytest.mark.parametrize("window", [None, 100])
@pytest.mark.parametrize("key_heads", [4, 2])
def test_variable_length_attention_is_that_of_each_example(
    size: int, window: int | None, key_heads: int
) -> None:
    layout = Layout()
    layout.set(LENGTHS, torch.device("cuda"))
    found = []
    for kind in (torch.float32, torch.bfloat16):  # example by example, and in one kernel
        parts = [part.to(kind).requires_grad_() for part in _parts(4, key_heads, size)]
        output = packed_attention(layout, *parts, scale=None, window=window)
        output.float().square().sum().backward()  # type: ignore[no-untyped-call]
        found.append(
            [output.float(), *(part.grad.float() for part in parts if part.grad is not None)]
        )
    for exact, half in zip(*found, strict=True):
        assert (half - exact).norm() < 0.02 * exact.norm()


def test_alibi_is_added_by_the_kernel() -> None:
    layout = Layout()
    layout.set(LENGTHS, torch.device("cuda"))
    slopes = 2.0 ** -torch.arange(1, 5, device="cuda")
    scale = 64**-0.5
    query, key, value = _parts(4, 4, 64)
    rows = []
    start = 0
    for length in LENGTHS:
        own = [part[:, :, start : start + length] for part in (query, key, value)]
        bias = slopes[:, None, None] * torch.arange(length, device="cuda")[None, None]
        bias = bias.masked_fill(
            ~torch.ones(length, length, device="cuda").tril().bool(), -torch.inf
        )
        rows.append(
            torch.nn.functional.scaled_dot_product_attention(
                own[0], own[1], own[2], attn_mask=bias[None], scale=scale
            )
        )
        start += length
    exact = torch.cat(rows, dim=2).transpose(1, 2)
    half = [part.to(torch.bfloat16) for part in (query, key, value)]
    longer = with_alibi(half[0], half[1], slopes, layout.positions, scale)
    padded = torch.nn.functional.pad(half[2], (0, longer[0].shape[-1] - 64))
    found = packed_attention(layout, *longer, padded, scale=scale)[..., :64].float()
    assert (found - exact).norm() < 0.02 * exact.norm()


def _rows(vocabulary: int, count: int = 24) -> Tokenized:
    rng = np.random.default_rng(2)
    lengths = rng.integers(20, 300, size=count)
    starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    zeros = np.zeros(count, dtype=np.int32)
    ids = rng.integers(3, vocabulary, size=starts[-1]).astype(np.int32)
    return Tokenized(ids, starts, zeros, zeros, zeros, truncated=0, dropped=0)


@pytest.mark.parametrize("family", ["bloom", "gpt_neox", "llama", "qwen3", "gemma3"])
def test_packed_losses_in_bfloat16_are_those_of_float32(
    family: str, tiny_model: Callable[[str], Path]
) -> None:
    from polypaca.models.loading import load_model

    losses = []
    for kind in ("float32", "bfloat16"):
        model = load_model(tiny_model(family), dtype=kind)
        data = _rows(model.get_input_embeddings().num_embeddings)
        paths = prepare(model)
        assert paths.layout is not None, paths.why_padded
        passes = Passes(100_000, paths.layout, 0, print)
        with torch.no_grad():
            losses.append(model(**passes.batch(list(range(24)), data, model))["loss"].item())
    assert losses[1] == pytest.approx(losses[0], rel=5e-3)


def _train(folder: Path, **changes: Any) -> Any:
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(1)
    config = AutoConfig.for_model(
        "llama", hidden_size=1024, num_hidden_layers=8, num_attention_heads=8, vocab_size=32_000
    )
    model = AutoModelForCausalLM.from_config(config).cuda()  # type: ignore[no-untyped-call]
    rows = _rows(32_000, 64)
    return fine_tune(
        model, rows, rows,
        Full(learning_rate=1e-4, batch_size=64, epochs=1, evaluations=1, checkpoint="last"),
        Setup(folder, pad_token_id=0, seed=1, autocast=True, hardware=Hardware(**changes)),
    )  # fmt: skip


def test_a_pass_that_does_not_fit_is_divided(tmp_path: Path) -> None:
    ample = _train(tmp_path / "a", micro_batch_tokens=16_384)
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(min(1.0, 8e9 / total))
    try:
        told = _train(tmp_path / "b", micro_batch_tokens=16_384, activation_checkpointing="never")
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert told.micro_batch_tokens < 16_384
    assert told.validation_loss == pytest.approx(ample.validation_loss, rel=1e-2)


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two CUDA devices")
@pytest.mark.parametrize("offload", [False, True])
@pytest.mark.parametrize("sharding", ["none", "fsdp"])
def test_two_devices_give_the_loss_curve_of_one(
    sharding: str, offload: bool, tiny_model: Callable[[str], Path], tmp_path: Path
) -> None:
    if offload and sharding == "none":
        pytest.skip("only shards wait in the CPU's memory")
    curves = []
    for processes in (1, 2):
        folder = tmp_path / str(processes)
        folder.mkdir()
        arguments = {
            "base": str(tiny_model("llama")), "folder": str(folder), "lora": False,
            "sharding": sharding, "cpu_offload": offload and processes > 1,
        }  # fmt: skip
        (folder / "arguments.json").write_text(json.dumps(arguments))
        launch = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
        subprocess.run(
            [
                *launch,
                f"--nproc-per-node={processes}",
                str(TOGETHER),
                str(folder / "arguments.json"),
            ],
            check=True,
        )
        history = json.loads((folder / "result.json").read_text())["history"]
        curves.append([entry["loss"] for entry in history if "loss" in entry])
    assert curves[1] == pytest.approx(curves[0], rel=1e-3)
