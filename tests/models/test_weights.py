from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from polypaca.core.errors import UserError
from polypaca.models.weights import read_tensors, weight_files, without_tied_heads, write_shards


class _Trap:
    """What a hostile pickle does: call a function while it is read."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


def test_shards_hold_what_was_given(tmp_path: Path) -> None:
    import torch

    tensors = {f"t{n}": torch.full((10,), float(n)) for n in range(5)}
    assert write_shards(tmp_path, tensors.items(), shard_bytes=90) == 3
    names = [path.name for path in weight_files(tmp_path, "model.safetensors")]
    assert names == [f"model-0000{n}-of-00003.safetensors" for n in (1, 2, 3)]
    read = dict(read_tensors(tmp_path))
    assert list(read) == list(tensors)
    assert all(torch.equal(read[name], tensor) for name, tensor in tensors.items())
    index = json.loads((tmp_path / "model.safetensors.index.json").read_text())
    assert index["metadata"]["total_size"] == 200


@pytest.mark.parametrize("archive", [True, False], ids=["zip", "older than PyTorch 1.6"])
def test_pickled_tensors_are_read(tmp_path: Path, archive: bool) -> None:
    import torch

    path = tmp_path / "pytorch_model.bin"
    torch.save({"a": torch.ones(3)}, path, _use_new_zipfile_serialization=archive)
    assert torch.equal(dict(read_tensors(tmp_path))["a"], torch.ones(3))


def test_pickles_run_nothing(tmp_path: Path) -> None:
    import torch

    torch.save({"a": _Trap(tmp_path / "run")}, tmp_path / "pytorch_model.bin")
    with pytest.raises(UserError, match=r"pytorch_model\.bin cannot be read.*could run code"):
        list(read_tensors(tmp_path))
    assert not (tmp_path / "run").exists()


def test_files_that_hold_no_weights_are_named(tmp_path: Path) -> None:
    import torch

    with pytest.raises(UserError, match=r"neither model\.safetensors nor pytorch_model\.bin"):
        list(read_tensors(tmp_path))
    torch.save({"a": {"b": torch.ones(1)}}, tmp_path / "pytorch_model.bin")
    with pytest.raises(UserError, match="is not a dict of tensors"):
        list(read_tensors(tmp_path))
    (tmp_path / "pytorch_model.bin").write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(UserError, match="damaged"):
        list(read_tensors(tmp_path))
    (tmp_path / "pytorch_model.bin").unlink()
    index = {"weight_map": {"a": "pytorch_model-00002-of-00002.bin"}}
    (tmp_path / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    with pytest.raises(UserError, match=r"missing: pytorch_model-00002-of-00002\.bin"):
        list(read_tensors(tmp_path))


def test_a_tied_head_is_stored_once(tmp_path: Path) -> None:
    import torch

    shared, other = torch.ones(4, 2), torch.ones(4, 2)
    tied = {"lm_head.weight": shared, "embed.weight": shared}
    torch.save(tied, tmp_path / "pytorch_model.bin")
    for is_tied, names in ((True, ["embed.weight"]), (False, ["lm_head.weight", "embed.weight"])):
        read = without_tied_heads(read_tensors(tmp_path), tied=is_tied)
        assert [name for name, _ in read] == names
    apart = {"lm_head.weight": other, "embed.weight": shared}.items()
    assert {name for name, _ in without_tied_heads(apart, tied=True)} == dict(apart).keys()
