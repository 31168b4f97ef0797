"""Weights in files: read one tensor at a time, written as safetensors shards.

PyTorch's own files are pickles. They are read with `weights_only`, which builds tensors and
nothing else (https://docs.pytorch.org/docs/stable/generated/torch.load.html).
"""

from __future__ import annotations

import pickle
import zipfile
from typing import TYPE_CHECKING, Any

from polypaca.core.errors import UserError, first_line
from polypaca.core.files import read_json, write_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from torch import Tensor

SAFETENSORS, PICKLED = "model.safetensors", "pytorch_model.bin"
SHARD_BYTES = 5 * 10**9
_HEADS = ("lm_head.weight", "embed_out.weight")


def weight_files(folder: Path, name: str) -> list[Path]:
    """The files of a checkpoint: `model.safetensors` or `pytorch_model.bin`, or their shards.

    Empty where the folder has none of that name.

    Raises:
        UserError: if the shards' index names files that are not there.
    """
    if (folder / name).is_file():
        return [folder / name]
    index = folder / f"{name}.index.json"
    if not index.is_file():
        return []
    shards = sorted(set(read_json(index)["weight_map"].values()))
    missing = [shard for shard in shards if not (folder / shard).is_file()]
    if missing:
        raise UserError(
            f"{folder}: {index.name} lists files that are missing: {', '.join(missing)}; "
            "copy or download them"
        )
    return [folder / shard for shard in shards]


def read_tensors(folder: Path) -> Iterator[tuple[str, Tensor]]:
    """Names and tensors of a checkpoint, memory-mapped one file at a time; safetensors first.

    Raises:
        UserError: if there are no weights, or a pickle holds anything else than tensors.
    """
    if files := weight_files(folder, SAFETENSORS):
        from safetensors import safe_open

        for path in files:
            with safe_open(path, framework="pt") as file:
                for name in file.keys():  # noqa: SIM118  # no mapping
                    yield name, file.get_tensor(name)
        return
    files = weight_files(folder, PICKLED)
    if not files:
        raise UserError(f"{folder} has neither {SAFETENSORS} nor {PICKLED}")
    for path in files:
        yield from _unpickled(path).items()


def _unpickled(path: Path) -> dict[str, Tensor]:
    import torch

    try:
        # Files from before PyTorch 1.6 are no archives and cannot be mapped.
        mapped = zipfile.is_zipfile(path)
        loaded = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except (pickle.UnpicklingError, EOFError, RuntimeError, OSError) as error:
        reason = first_line(error)
        raise UserError(
            f"{path} cannot be read: it is damaged, or contains more than tensors, which could run "
            f"code: {reason}; use a checkpoint in safetensors"
        ) from error
    if not isinstance(loaded, dict) or not all(torch.is_tensor(v) for v in loaded.values()):
        raise UserError(f"{path} is not a dict of tensors; use a checkpoint in safetensors")
    return loaded


def without_tied_heads(
    tensors: Iterable[tuple[str, Tensor]], *, tied: bool
) -> Iterator[tuple[str, Tensor]]:
    """Leave out an output head that shares its memory with another tensor, if it is `tied`."""
    seen: dict[tuple[int, tuple[int, ...]], str] = {}
    held: list[tuple[str, Tensor]] = []
    for name, tensor in tensors:
        if tied and name.endswith(_HEADS):
            held.append((name, tensor))  # the embedding may come later in the file
            continue
        seen[(tensor.data_ptr(), tuple(tensor.shape))] = name
        yield name, tensor
    for name, tensor in held:
        if (tensor.data_ptr(), tuple(tensor.shape)) not in seen:
            yield name, tensor


def write_shards(
    folder: Path, tensors: Iterable[tuple[str, Tensor]], shard_bytes: int = SHARD_BYTES
) -> int:
    """Write tensors as `model.safetensors`, or as shards with their index; returns how many.

    A shard is written as soon as it is full, so that no more than one is in memory. A tensor
    larger than `shard_bytes` gets a shard of its own.
    """
    shards: list[list[str]] = []
    total = held = 0
    waiting: dict[str, Tensor] = {}
    for name, tensor in tensors:
        size = tensor.numel() * tensor.element_size()
        if waiting and held + size > shard_bytes:
            _flush(folder, waiting, shards)
            held = 0
        # A copy of its own: safetensors refuses views of shared memory.
        waiting[name] = tensor.detach().contiguous().clone()
        held += size
        total += size
    _flush(folder, waiting, shards)
    if len(shards) == 1:
        _part(folder, 1).rename(folder / SAFETENSORS)
        return 1
    where: dict[str, Any] = {}
    for number, names in enumerate(shards, start=1):
        shard = f"model-{number:05d}-of-{len(shards):05d}.safetensors"
        _part(folder, number).rename(folder / shard)
        where |= dict.fromkeys(names, shard)
    index = {"metadata": {"total_size": total}, "weight_map": where}
    write_json(folder / f"{SAFETENSORS}.index.json", index)
    return len(shards)


def _flush(folder: Path, waiting: dict[str, Tensor], shards: list[list[str]]) -> None:
    from safetensors.torch import save_file

    shards.append(list(waiting))
    save_file(waiting, _part(folder, len(shards)), metadata={"format": "pt"})
    waiting.clear()


def _part(folder: Path, number: int) -> Path:
    return folder / f"part-{number}.safetensors"
