from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from polypaca.core.cache import write_hashes
from polypaca.core.errors import StageError
from polypaca.models.families import adapter_targets
from polypaca.models.loading import load_model, load_tokenizer, pad_token_id
from polypaca.training.batching import padded_batch
from polypaca.training.checkpoints import last_checkpoint
from polypaca.training.settings import Full, Hardware, Lora
from polypaca.training.tokenize import Tokenized, tokenize
from polypaca.training.trainer import (
    Setup,
    Trained,
    copy_weights,
    fine_tune,
    with_adapter,
)

pytestmark = pytest.mark.slow

# The paper's five, and current ones, all from files as a Hub id would bring them.
FAMILIES = ["gpt_neox", "bloom", "llama", "openllama", "baichuan", "qwen3", "llama3", "gemma3"]
Progress = Callable[[float, str], None]


def _data(tokenizer: Any, count: int) -> Tokenized:
    pairs = [
        (f"### Instruction:\nName {n} animals.\n\n### Response:\n", "The cat, the dog." * (n % 3))
        for n in range(1, count + 1)
    ]
    return tokenize(pairs, tokenizer, max_length=128, loss_on="all")


def _train(
    base: Path,
    folder: Path,
    progress: Progress,
    *,
    lora: bool,
    dropout: float = 0.1,
    **changes: Any,
) -> Trained:
    tokenizer = load_tokenizer(base)
    begun = None if lora else last_checkpoint(folder)
    model = load_model(begun or base)
    if lora:
        names = adapter_targets(model, model.config.model_type, "attention-qkv")
        model = with_adapter(model, Lora(rank=4, alpha=8, dropout=dropout), names, seed=7)
    arguments: dict[str, Any] = {
        "learning_rate": 1e-2, "batch_size": 8, "epochs": 2, "warmup_ratio": 0.1,
        "evaluations": 4, "micro_batch_tokens": 200,
    } | changes  # fmt: skip
    how = {key: arguments.pop(key) for key in list(arguments) if key in Hardware.model_fields}
    return fine_tune(
        model,
        _data(tokenizer, 32),
        _data(tokenizer, 4),
        (Lora if lora else Full)(**arguments),
        Setup(
            folder,
            pad_token_id=pad_token_id(tokenizer),
            seed=7,
            hardware=Hardware(**how),
            progress=progress,
        ),
    )


def _ignore(fraction: float, text: str) -> None:
    pass


def _weights(trained: Trained) -> dict[str, Any]:
    """The chosen checkpoint's weights, as a user gets them."""
    from safetensors.torch import load_file

    copy_weights(trained.checkpoint, trained.checkpoint / "copy")
    (file,) = (trained.checkpoint / "copy").glob("*.safetensors")
    return load_file(file)


def _losses(trained: Trained, key: str) -> list[float]:
    return [entry[key] for entry in trained.history if key in entry]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("lora", [True, False], ids=["lora", "full"])
def test_training_lowers_the_validation_loss(
    family: str, lora: bool, tiny_model: Callable[[str], Path], tmp_path: Path
) -> None:
    seen: list[float] = []
    trained = _train(
        tiny_model(family), tmp_path, lambda fraction, text: seen.append(fraction), lora=lora
    )
    losses = _losses(trained, "eval_loss")
    assert trained.steps == 8
    assert len(losses) == 4
    assert trained.validation_loss == min(losses) < losses[0]
    assert seen[-1] == 1.0
    assert trained.tokens_per_second > 0
    assert [entry["epoch"] for entry in trained.history if "eval_loss" in entry] == [
        0.5, 1.0, 1.5, 2.0
    ]  # fmt: skip


def test_the_last_step_is_evaluated_even_between_two_evaluations(
    tiny_model: Callable[[str], Path], tmp_path: Path
) -> None:
    changes: dict[str, Any] = {"evaluations": None, "evaluate_every": 5, "checkpoint": "last"}
    trained = _train(tiny_model("llama"), tmp_path, _ignore, lora=True, **changes)
    assert [e["step"] for e in trained.history if "eval_loss" in e] == [5, 8]
    assert trained.best_step == 8


@pytest.mark.parametrize("family", ["gpt_neox", "bloom", "llama"])
def test_the_micro_batch_does_not_matter(
    family: str, tiny_model: Callable[[str], Path], tmp_path: Path
) -> None:
    runs = [
        _train(
            tiny_model(family),
            tmp_path / str(tokens),
            _ignore,
            lora=True,
            dropout=0.0,
            micro_batch_tokens=tokens,
        )
        for tokens in (64, 4000)
    ]
    assert [run.micro_batch_tokens for run in runs] == [64, 4000]
    for key in ("loss", "eval_loss", "grad_norm"):
        one, other = (_losses(run, key) for run in runs)
        assert one == pytest.approx(other, rel=1e-4), key


@pytest.mark.parametrize("lora", [True, False], ids=["lora", "full"])
def test_a_run_killed_at_any_step_ends_with_the_same_weights(
    lora: bool, tiny_model: Callable[[str], Path], tmp_path: Path
) -> None:
    import torch

    base = tiny_model("gpt_neox")
    steps: list[float] = []

    def keep(fraction: float, text: str) -> None:
        """What a run that is killed here leaves behind."""
        steps.append(fraction)
        shutil.copytree(tmp_path / "undisturbed", tmp_path / str(len(steps)))

    first = _train(base, tmp_path / "undisturbed", keep, lora=lora)
    expected = _weights(first)
    assert len(steps) == first.steps
    for step in range(1, first.steps + 1):
        folder = tmp_path / str(step)
        found = last_checkpoint(folder)
        # Checkpoints are written every two steps, after progress is told.
        assert (found.name if found else None) == (
            f"checkpoint-{(step - 1) // 2 * 2}" if step > 2 else None
        )
        second = _train(base, folder, _ignore, lora=lora)
        assert second.validation_loss == first.validation_loss
        assert second.best_step == first.best_step
        resumed = _weights(second)
        for name, weights in expected.items():
            assert torch.equal(weights, resumed[name]), (step, name)


def test_the_best_checkpoint_is_kept_even_if_it_is_not_the_last(
    tiny_model: Callable[[str], Path], tmp_path: Path
) -> None:
    # So high a rate wrecks the model after a good start.
    changes: dict[str, Any] = {
        "learning_rate": 0.5,
        "schedule": "constant",
        "warmup_ratio": 0.0,
        "evaluations": 8,
    }
    base = tiny_model("gpt_neox")
    trained = _train(base, tmp_path / "b", _ignore, lora=False, **changes)
    losses = {e["step"]: e["eval_loss"] for e in trained.history if "eval_loss" in e}
    assert trained.validation_loss == min(losses.values())
    assert trained.best_step < 8, losses
    ended = _train(base, tmp_path / "l", _ignore, lora=False, **(changes | {"checkpoint": "last"}))
    assert ended.best_step == 8
    assert ended.validation_loss == losses[8]
    last = _weights(ended)
    assert any(not a.equal(last[n]) for n, a in _weights(trained).items())


@pytest.mark.parametrize("family", ["gpt_neox", "bloom", "llama"])
def test_the_chosen_weights_have_the_loss_that_was_recorded(
    family: str, tiny_model: Callable[[str], Path], tmp_path: Path
) -> None:
    import torch

    base = tiny_model(family)
    changes: dict[str, Any] = {
        "learning_rate": 0.1,
        "schedule": "constant",
        "warmup_ratio": 0.0,
        "evaluations": 8,
    }
    trained = _train(base, tmp_path, _ignore, lora=False, **changes)
    copy_weights(trained.checkpoint, tmp_path / "model")
    tokenizer = load_tokenizer(base)
    batch = padded_batch(_data(tokenizer, 4), range(4), pad_token_id(tokenizer))
    model = load_model(tmp_path / "model").eval()
    with torch.no_grad():
        # Transformers' own loss on padded rows: nothing of ours but the batch.
        loss = model(**batch).loss.item()
    assert loss == pytest.approx(trained.validation_loss, rel=1e-5)


def test_a_pass_that_does_not_fit_is_divided_and_tried_again(
    tiny_model: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    from polypaca.training import loop

    base = tiny_model("llama")
    undisturbed = _train(base, tmp_path / "a", _ignore, lora=True, dropout=0.0)
    whole = loop.Passes.batch

    def limited(self: Any, rows: list[int], data: Tokenized, model: Any) -> dict[str, Any]:
        batch = whole(self, rows, data, model)
        if batch["input_ids"].numel() > 150:
            raise torch.OutOfMemoryError("more than there is")
        return batch

    monkeypatch.setattr(loop.Passes, "batch", limited)
    trained = _train(base, tmp_path / "b", _ignore, lora=True, dropout=0.0, micro_batch_tokens=400,
                     activation_checkpointing="never")  # fmt: skip
    assert trained.micro_batch_tokens == 100
    assert json.loads((tmp_path / "b" / "micro_batch.json").read_text()) == {"tokens": 100}
    assert _losses(trained, "loss") == pytest.approx(_losses(undisturbed, "loss"), rel=1e-4)

    def nothing_fits(self: Any, rows: list[int], data: Tokenized, model: Any) -> dict[str, Any]:
        raise torch.OutOfMemoryError("nothing fits")

    monkeypatch.setattr(loop.Passes, "batch", nothing_fits)
    with pytest.raises(StageError, match="a single example"):
        _train(base, tmp_path / "c", _ignore, lora=True, activation_checkpointing="never")


def test_activation_checkpointing_changes_nothing_but_memory(
    tiny_model: Callable[[str], Path], tmp_path: Path
) -> None:
    runs = [
        _train(
            tiny_model("bloom"),
            tmp_path / how,
            _ignore,
            lora=True,
            activation_checkpointing=how,
        )
        for how in ("never", "always")
    ]
    assert [run.activation_checkpointing for run in runs] == [False, True]
    assert _losses(runs[0], "loss") == pytest.approx(_losses(runs[1], "loss"), rel=1e-5)


def _checkpoint(folder: Path, step: int, best: int | None = None) -> Path:
    made = folder / f"checkpoint-{step}"
    made.mkdir()
    # Where the folder was when it was written does not matter.
    state = {"global_step": step, "best_model_checkpoint": best and f"/elsewhere/checkpoint-{best}"}
    (made / "trainer_state.json").write_text(json.dumps(state))
    (made / "model.safetensors").write_bytes(bytes(range(200)))
    write_hashes(made)
    return made


def test_broken_checkpoints_are_passed_over(tmp_path: Path) -> None:
    checkpoints = [_checkpoint(tmp_path, step) for step in (2, 10, 12, 14)]
    (tmp_path / "checkpoint-16").mkdir()
    assert last_checkpoint(tmp_path) == checkpoints[3]
    (checkpoints[3] / "model.safetensors").write_bytes(bytes(range(100)))  # truncated
    assert last_checkpoint(tmp_path) == checkpoints[2]
    (checkpoints[2] / "model.safetensors").write_bytes(bytes(200))  # of the right size
    assert last_checkpoint(tmp_path) == checkpoints[1]
    (checkpoints[1] / "trainer_state.json").write_text('{"glob')
    assert last_checkpoint(tmp_path) == checkpoints[0]
    shutil.rmtree(tmp_path)
    assert last_checkpoint(tmp_path) is None


def test_a_checkpoint_is_of_no_use_without_the_best_one_before_it(tmp_path: Path) -> None:
    first, second, third = (_checkpoint(tmp_path, step, best=4) for step in (2, 4, 6))
    assert last_checkpoint(tmp_path) == third
    shutil.rmtree(second)
    assert last_checkpoint(tmp_path) is None
    _checkpoint(tmp_path, 3, best=3)
    assert last_checkpoint(tmp_path) == tmp_path / "checkpoint-3"
    assert first.exists()


@pytest.fixture(scope="module")
def killed(
    tiny_model: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> dict[bool, tuple[Path, dict[str, Any]]]:
    """What a run that is killed near its end leaves behind, and the weights of one that is not."""
    made = {}
    for lora in (True, False):
        top = tmp_path_factory.mktemp("killed")

        def keep(fraction: float, text: str, top: Path = top) -> None:
            if fraction == 7 / 8:
                shutil.copytree(top / "undisturbed", top / "killed")

        trained = _train(tiny_model("llama"), top / "undisturbed", keep, lora=lora)
        made[lora] = top / "killed", _weights(trained)
    return made


@pytest.mark.parametrize("lora", [True, False], ids=["lora", "full"])
@pytest.mark.parametrize("file", ["*.safetensors", "optimizer.pt", "rng_state.pth"])
@pytest.mark.parametrize("damage", ["truncated", "zeroed"])
def test_training_goes_on_from_an_older_checkpoint_where_the_newest_is_damaged(
    damage: str,
    file: str,
    lora: bool,
    killed: dict[bool, tuple[Path, dict[str, Any]]],
    tiny_model: Callable[[str], Path],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    import torch

    left, undisturbed = killed[lora]
    folder = shutil.copytree(left, tmp_path / "killed")
    newest = last_checkpoint(folder)
    assert newest is not None
    (path,) = newest.glob(file)
    content = path.read_bytes()
    half = content[: len(content) // 2]
    path.write_bytes(half if damage == "truncated" else half + bytes(len(content) - len(half)))
    older = last_checkpoint(folder)
    assert older is not None
    assert older.name < newest.name
    resumed = _weights(_train(tiny_model("llama"), folder, _ignore, lora=lora))
    assert f"{newest.name} is damaged ({path.name}) and is deleted" in caplog.text
    assert f"continues from {older.name}" in caplog.text
    for name, weights in undisturbed.items():
        assert torch.equal(weights, resumed[name]), name


def test_the_history_can_be_written_as_json(
    tiny_model: Callable[[str], Path], tmp_path: Path
) -> None:
    trained = _train(tiny_model("llama"), tmp_path, _ignore, lora=True, epochs=0.5)
    assert json.loads(json.dumps(trained.history)) == trained.history
