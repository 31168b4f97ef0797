from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polypaca.training.batching import Schedule, divide
from polypaca.training.steps import evaluation_interval, total_steps

LENGTHS = st.lists(st.integers(1, 60), min_size=1, max_size=40)


@pytest.mark.parametrize(
    ("rows", "batch", "epochs", "steps"),
    # 52,002 rows in batches of 128 are 407 steps an epoch (406.3 rounded up).
    [(52_002, 128, 5, 2035), (10, 4, 1, 3), (10, 4, 0.5, 2), (3, 128, 1, 1)],
)
def test_steps_of_a_schedule(rows: int, batch: int, epochs: float, steps: int) -> None:
    assert total_steps(rows, batch, epochs) == steps


def test_when_validation_loss_is_taken() -> None:
    assert evaluation_interval(2035, None, 200) == 200
    assert evaluation_interval(100, None, 200) == 100
    assert evaluation_interval(2035, 4, None) == 508
    assert evaluation_interval(2, 4, None) == 1
    assert evaluation_interval(8, None, None) == 2


def _schedule(lengths: list[int], batch: int, *, grouped: bool = False, seed: int = 1) -> Schedule:
    return Schedule(np.array(lengths), batch, 2, seed, grouped)


@given(lengths=LENGTHS, batch=st.integers(1, 9), grouped=st.booleans())
def test_every_row_comes_once_an_epoch(lengths: list[int], batch: int, grouped: bool) -> None:
    schedule = _schedule(lengths, batch, grouped=grouped)
    a_epoch = schedule.steps_an_epoch
    for epoch in range(2):
        steps = [schedule.rows(epoch * a_epoch + step).tolist() for step in range(a_epoch)]
        assert sorted(row for step in steps for row in step) == list(range(len(lengths)))
        assert [len(step) for step in steps[:-1]] == [batch] * (a_epoch - 1)


def test_the_order_is_the_seeds_and_another_one_every_epoch() -> None:
    rows = list(range(1, 41))
    one, same, other = (_schedule(rows, 40, seed=seed) for seed in (1, 1, 2))
    assert one.rows(0).tolist() == same.rows(0).tolist() != other.rows(0).tolist()
    assert one.rows(0).tolist() != one.rows(1).tolist()


def test_grouped_steps_have_rows_of_about_one_length() -> None:
    rng = np.random.default_rng(0)
    lengths = rng.integers(10, 500, size=2000).tolist()
    spread = {}
    for grouped in (False, True):
        schedule = _schedule(lengths, 16, grouped=grouped)
        steps = [np.array(lengths)[schedule.rows(step)] for step in range(schedule.steps_an_epoch)]
        spread[grouped] = np.mean([step.max() - step.min() for step in steps[1:]])
    assert spread[True] < spread[False] / 10
    assert max(lengths) in np.array(lengths)[_schedule(lengths, 16, grouped=True).rows(0)]


@given(
    lengths=LENGTHS,
    devices=st.integers(1, 4),
    tokens=st.integers(1, 200),
    packed=st.booleans(),
)
def test_a_batch_is_divided_without_loss(
    lengths: list[int], devices: int, tokens: int, packed: bool
) -> None:
    sizes = np.array(lengths)
    parts = divide(range(len(lengths)), sizes, devices=devices, tokens=tokens, packed=packed)
    assert len(parts) == devices
    # Devices work in step.
    assert len({len(own) for own in parts}) == 1
    rows = Counter(row for own in parts for part in own for row in part)
    assert rows == Counter(range(len(lengths)))
    for part in (part for own in parts for part in own if len(part) > 1):
        cost = sizes[part].sum() if packed else sizes[part].max() * len(part)
        assert cost <= tokens


def test_packed_passes_are_about_equal() -> None:
    sizes = np.random.default_rng(0).integers(20, 500, size=128)
    ((passes,)) = divide(range(128), sizes, devices=1, tokens=4000, packed=True)
    costs = [sizes[part].sum() for part in passes]
    assert len(passes) == -(-sizes.sum() // 4000)
    assert max(costs) - min(costs) < 100
