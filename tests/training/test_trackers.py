from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from polypaca.core.errors import MissingExtraError
from polypaca.core.files import write_jsonl
from polypaca.core.folders import BaseFolder, MixtureFolder
from polypaca.core.records import Example
from polypaca.core.work import Context
from polypaca.stages.train import TrainCell
from polypaca.training.settings import Hardware, Lora
from polypaca.training.trackers import TRACKERS

pytestmark = pytest.mark.slow


@pytest.fixture
def cell(
    tmp_path: Path, tiny_model: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Path]:
    """Trains a tiny cell that reports to trackers; returns its folder."""
    # Set for each cell by the stage; this takes it away again afterwards.
    monkeypatch.setenv("TENSORBOARD_LOGGING_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("POLYPACA_CACHE", str(tmp_path / "cache"))
    for split in ("train", "validation"):
        rows = [
            Example(id=f"{n}.en", source=str(n), split="train", language="en",
                    instruction="Say it.", output=f"The number {n}.")
            for n in range(8)
        ]  # fmt: skip
        write_jsonl(tmp_path / "mixture" / f"{split}.jsonl", rows)

    def make(name: str, report_to: list[str]) -> Path:
        work = TrainCell(
            base=BaseFolder(tiny_model("llama")), mixture=MixtureFolder(tmp_path / "mixture"),
            method=Lora(learning_rate=1e-2, batch_size=2, epochs=2, max_length=300, evaluations=2),
            seed=1, cell=name, hardware=Hardware.model_validate({"report_to": report_to}),
        )  # fmt: skip
        work.run(Context(tmp_path / name))
        return tmp_path / name

    return make


def test_tensorboard_gets_what_the_history_has(cell: Callable[..., Path], tmp_path: Path) -> None:
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator",
        reason="needs TensorBoard: pip install 'polypaca[tensorboard]'",
    )
    # Two cells, one after another in one process, as jobs train them.
    for folder in (cell("one", ["tensorboard"]), cell("two", ["tensorboard"])):
        events = accumulator.EventAccumulator(str(folder / "tensorboard"))
        events.Reload()
        history = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        for tag, key in (
            ("train/loss", "loss"),
            ("train/learning_rate", "learning_rate"),
            ("train/tokens_per_second", "tokens_per_second"),
            ("eval/loss", "eval_loss"),
        ):
            recorded = {entry["step"]: entry[key] for entry in history if key in entry}
            found = {event.step: event.value for event in events.Scalars(tag)}
            assert found == pytest.approx(recorded, rel=1e-6), tag
            assert found
    assert not (tmp_path / "elsewhere").exists()
    assert not (tmp_path / "one" / "checkpoints").exists()


def test_a_cell_without_trackers_writes_none(cell: Callable[..., Path]) -> None:
    assert not (cell("one", []) / "tensorboard").exists()


@pytest.mark.parametrize("tracker", TRACKERS)
def test_a_tracker_that_is_not_installed_is_named_with_its_extra(
    tracker: str, cell: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers.integrations import integration_utils

    monkeypatch.setattr(integration_utils, f"is_{tracker}_available", lambda: False)
    with pytest.raises(MissingExtraError, match=rf"pip install 'polypaca\[{tracker}\]'"):
        cell("one", [tracker])


def test_every_tracker_has_an_extra() -> None:
    import tomllib

    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert set(TRACKERS) <= set(project["optional-dependencies"])
    Hardware(report_to=list(TRACKERS))


def test_a_tracker_that_is_none_suggests_the_nearest() -> None:
    with pytest.raises(ValidationError, match=r"unknown tracker 'wanb'; did you mean wandb\?"):
        Hardware(report_to=["wanb"])
