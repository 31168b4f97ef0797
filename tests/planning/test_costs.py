from __future__ import annotations

import pytest

from polypaca.core.errors import UserError
from polypaca.planning import costs
from polypaca.planning.hardware import GPUS, Gpu, find_gpu


@pytest.mark.parametrize("gpu", GPUS.values(), ids=lambda gpu: gpu.name)
def test_the_table_is_in_bytes_and_flops(gpu: Gpu) -> None:
    assert 5e13 < gpu.peak < 1e15
    assert 2e10 < gpu.memory < 2e11
    assert 2e11 < gpu.bandwidth < 1e13
    assert gpu.source
    assert find_gpu(gpu.name) is gpu


def test_names_are_forgiving_and_near_misses_named() -> None:
    assert find_gpu("RTX 3090") is GPUS["rtx-3090"]
    assert find_gpu("A100_80GB") is GPUS["a100-80gb"]
    with pytest.raises(UserError, match="did you mean rtx-3090"):
        find_gpu("rtx3090")
    with pytest.raises(UserError, match="expected one of: rtx-3090"):
        find_gpu("abacus")


def test_hours_by_hand() -> None:
    # 312e12 x 0.27 = 84.24e12 a second, 303.264e15 an hour.
    assert costs.gpu_hours(303.264e15, "lora", GPUS["a100-80gb"]) == pytest.approx(1)
    assert costs.gpu_hours(168.48e15, "full", GPUS["a100-40gb"]) == pytest.approx(1)


def test_the_utilisation_follows_from_its_source() -> None:
    parameters = 7.72e9
    lora = 4 * parameters * 8 * 512 / 1.5 / 312e12
    full = 6 * parameters * 16 * 512 / 4.0 / (2 * 312e12)
    assert costs.UTILISATION["lora"].value == pytest.approx(lora, abs=0.005)
    assert costs.UTILISATION["full"].value == pytest.approx(full, abs=0.005)


def test_memory_by_hand() -> None:
    # LoRA: (2 x 7e9 + 16 x 6e6) x 1.32 = 18.6 GB; in full: 16 x 7e9 x 1.2 = 134.4 GB.
    lora = costs.training_bytes(7_000_000_000, 6_000_000, "lora")
    full = costs.training_bytes(7_000_000_000, 0, "full")
    assert lora == pytest.approx(18.60672e9)
    assert full == pytest.approx(134.4e9)
    assert costs.gpus_needed(lora, GPUS["rtx-3090"]) == 1
    assert costs.gpus_needed(full, GPUS["rtx-3090"]) == 6
    assert costs.gpus_needed(full, GPUS["mi250x"]) == 2


def test_answers_take_as_long_as_reading_the_weights() -> None:
    # 17 answers in batches of 16: two batches of 256 steps; 14e9 bytes each at 1e12 bytes a second.
    gpu = Gpu("test", 1e14, 1e11, 1e12, "")
    hours = costs.answering_hours(7_000_000_000, 17, 16, 256, gpu)
    assert hours == pytest.approx(2 * 256 * 14e9 / 1e12 / 3600)
    assert costs.forward_flops(1000, 5) == 10_000
