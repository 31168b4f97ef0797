from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter

from polypaca.study.methods import PRESETS, FullMethod, LoraMethod, Method, with_preset


def _method(name: str, body: Any) -> LoraMethod | FullMethod:
    method: LoraMethod | FullMethod = TypeAdapter(Method).validate_python(with_preset(name, body))
    return method


def test_the_papers_lora_settings() -> None:
    # arXiv 2309.08958, Table 1 and section 3; the published training script for the rest.
    method = _method("lora", {"preset": "paper-lora"})
    assert isinstance(method, LoraMethod)
    assert (method.rank, method.alpha, method.dropout) == (8, 16, 0.05)
    assert (method.learning_rate, method.batch_size, method.epochs) == (3e-4, 128, 5)
    assert (method.warmup_steps, method.warmup_ratio, method.schedule) == (100, None, "linear")
    assert (method.max_length, method.loss_on, method.template) == (512, "all", "alpaca")
    assert (method.evaluate_every, method.evaluations, method.checkpoint) == (200, None, "best")
    assert method.group_by_length


def test_the_papers_full_settings() -> None:
    method = _method("tuned", {"preset": "paper-full"})
    assert isinstance(method, FullMethod)
    assert (method.learning_rate, method.batch_size, method.epochs) == (2e-5, 256, 3)
    assert (method.warmup_ratio, method.schedule, method.weight_decay) == (0.03, "cosine", 0)
    assert (method.loss_on, method.template) == ("response", "alpaca-no-newline")
    assert method.checkpoint == "last"


def test_what_a_method_says_goes_before_its_preset() -> None:
    method = _method("lora", {"preset": "paper-lora", "warmup_ratio": 0.1, "evaluations": 3})
    assert (method.warmup_steps, method.warmup_ratio) == (None, 0.1)
    assert (method.evaluations, method.evaluate_every) == (3, None)
    assert method.batch_size == 128


def test_a_name_of_ones_own_takes_its_kind_from_the_preset_if_that_has_one() -> None:
    assert with_preset("mine", {"preset": "paper-lora"})["kind"] == "lora"
    assert "kind" not in with_preset("mine", {"preset": "recommended"})
    assert with_preset("full", {"preset": "recommended"})["kind"] == "full"
    assert with_preset("full", None) == {"kind": "full"}
    assert with_preset("full", 3) == 3


@pytest.mark.parametrize("kind", ["lora", "full"])
def test_recommended_differs_from_the_paper_where_it_says(kind: str) -> None:
    paper = PRESETS[f"paper-{kind}"][kind]
    recommended = PRESETS["recommended"][kind]
    differing = {key for key in recommended if recommended[key] != paper.get(key)}
    expected = {
        "lora": {"loss_on", "group_by_length"},
        "full": {"template", "checkpoint"},
    }
    assert differing == expected[kind]
