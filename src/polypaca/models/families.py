"""Where a model's query, key and value projections are, found by the shapes of its attention.

In every decoder layer an attention module has linear maps from the hidden states to queries, keys
and values, in one piece or three, and one back to the hidden states. Widths tell them from
everything else; where widths are all the same, well-known names or what flows into each decide.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from polypaca.core.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import nn

# Names of models that are built otherwise (gated queries, heads of several sizes), and of the
# projections where all widths are equal.
_KNOWN = (
    ("q_proj", "k_proj", "v_proj"),
    ("query_key_value",),
    ("qkv_proj",),
    ("c_attn",),
    ("Wqkv",),
    ("W_pack",),
    ("query", "key", "value"),
    ("q_lin", "k_lin", "v_lin"),
)


class _Map(NamedTuple):
    """One linear map: its path in the model and how many features it takes and gives."""

    path: str
    takes: int
    gives: int
    module: nn.Module

    @property
    def name(self) -> str:
        return self.path.rpartition(".")[2]


class _Heads(NamedTuple):
    """Features of all queries together and of one head."""

    query: int
    head: int


def adapter_targets(model: nn.Module, model_type: str, targets: str | list[str]) -> list[str]:
    """The module names that adapters go on: those of `attention-qkv`, or the given ones.

    For `attention-qkv` each name is the shortest ending of a path that matches attention
    projections alone, so that PEFT, which compares endings, adapts nothing else. Parts of the
    model that see or hear are left out.

    Raises:
        UserError: if a name matches no module, or only those of some layers; it names the
            linear modules that there are.
    """
    maps = list(_linear_maps(model))
    layers = _layers(model)
    if targets != "attention-qkv":
        names = [targets] if isinstance(targets, str) else list(targets)
        found = {name: sum(_ends(one.path, name) for one in maps) for name in names}
        missing = [name for name in names if not found[name]]
        partial = [name for name in names if 0 < found[name] < layers]
        if missing:
            raise _refusal(model_type, f"no module is called {', '.join(missing)}", maps)
        if partial:
            some = f"{', '.join(partial)} is only in some of the {layers} layers"
            raise _refusal(model_type, some, maps)
        return names
    stack = _decoder(model, layers)
    told: dict[frozenset[str], frozenset[str]] = {}
    chosen = [list(_attention_qkv(model, path, maps, told)) for path in stack]
    if not all(chosen):
        chosen = [_by_name(path, maps) for path in stack]
    if not any(chosen):
        raise _refusal(model_type, "its query, key and value projections were not found", maps)
    without = sum(not paths for paths in chosen)
    if without:
        some = f"{without} of the {layers} layers have no query, key and value projections"
        raise _refusal(model_type, some, maps)
    return _endings([path for paths in chosen for path in paths], model)


def _linear_maps(model: nn.Module) -> Iterator[_Map]:
    """The linear maps of the language model, `Conv1D` of GPT-2 among them."""
    from torch import nn
    from transformers.pytorch_utils import Conv1D

    others = _other_senses(model)
    for path, module in model.named_modules():
        if "." not in path or any(path.startswith(f"{other}.") for other in others):
            continue
        if isinstance(module, nn.Linear):
            yield _Map(path, module.in_features, module.out_features, module)
        elif isinstance(module, Conv1D):
            yield _Map(path, module.weight.shape[0], module.weight.shape[1], module)


def _other_senses(model: nn.Module) -> list[str]:
    """Paths of sub-models that have a config of another kind than the model and its text part."""
    own = getattr(getattr(model, "config", None), "model_type", None)
    kinds = {own, getattr(_text_config(model), "model_type", None)}
    return [
        path
        for path, module in model.named_modules()
        if getattr(getattr(module, "config", None), "model_type", own) not in kinds
    ]


def _text_config(model: nn.Module) -> Any:
    config: Any = getattr(model, "config", None)
    return config.get_text_config(decoder=True) if hasattr(config, "get_text_config") else config


def _layers(model: nn.Module) -> int:
    """How many decoder layers there are, by the config or else by the longest list of modules."""
    said = getattr(_text_config(model), "num_hidden_layers", None)
    if said is not None:
        return int(said)
    return max((len(stack) for _, stack in _stacks(model)), default=1)


def _stacks(model: nn.Module) -> Iterator[tuple[str, nn.ModuleList]]:
    from torch import nn

    others = _other_senses(model)
    for path, module in model.named_modules():
        inside = any(path == other or path.startswith(f"{other}.") for other in others)
        if isinstance(module, nn.ModuleList) and not inside:
            yield path, module


def _decoder(model: nn.Module, layers: int) -> list[str]:
    """Paths of the decoder layers: the outermost list of so many modules."""
    for path, stack in _stacks(model):
        if len(stack) == layers:
            return [f"{path}.{number}" for number in range(layers)]
    return []


def _attention_qkv(
    model: nn.Module,
    layer: str,
    maps: Sequence[_Map],
    told: dict[frozenset[str], frozenset[str]],
) -> Iterator[str]:
    """Paths of one layer's projections, by their widths.

    `told` keeps which names were told apart, so that it is done once and not in every layer.
    """
    heads = _heads(model)
    modules: dict[str, list[_Map]] = {}
    for one in maps:
        if one.path.startswith(f"{layer}."):
            modules.setdefault(one.path.rpartition(".")[0], []).append(one)
    for inside in modules.values():
        found = _projections(inside, heads)
        if len(found) > 3:
            names = frozenset(one.name for one in found)
            if names not in told:
                told[names] = frozenset(_told_apart(model, found))
            found = [one for one in found if one.name in told[names]]
        yield from (one.path for one in found)


def _heads(model: nn.Module) -> _Heads | None:
    """What the config says of the attention's widths; None where there is no one answer."""
    config = _text_config(model)
    try:
        count, hidden = config.num_attention_heads, config.hidden_size
        head = getattr(config, "head_dim", None) or hidden // count
    except Exception:  # noqa: BLE001  # Transformers refuses what differs between layers (Gemma 4)
        return None
    return _Heads(count * head, head)


def _projections(inside: list[_Map], heads: _Heads | None) -> list[_Map]:
    """Those of a module's maps that make queries, keys and values; empty if none do.

    All four of an attention module come back where the one that leads back to the hidden states
    has the shape of another.
    """
    for back in inside:
        query, hidden = back.takes, back.gives
        if heads is not None and query != heads.query:
            continue
        into = [one for one in inside if one is not back and one.takes == hidden]
        widths = sorted(one.gives for one in into)
        if len(inside) == 2 and len(into) == 1 and _fits(query, (widths[0] - query) / 2, heads):
            return into
        if len(into) == 3 and widths[0] == widths[1] and widths[2] == query:
            if not _fits(query, widths[0], heads):
                continue
            return inside if hidden == query else into
    return []


def _fits(query: int, key: float, heads: _Heads | None) -> bool:
    """Whether keys of this width can serve queries of that width, by whole heads."""
    if heads is None:
        # Without a config only this: half the width would be a gated MLP as well.
        return key == query
    return 0 < key <= query and query % key == 0 and key % heads.head == 0


def _told_apart(model: nn.Module, inside: list[_Map]) -> list[str]:
    """Names of queries, keys and values among an attention module's four maps."""
    there = [one.name for one in inside]
    for names in _KNOWN:
        if len(names) == 3 and set(names) <= set(there):
            return list(names)
    return _with_one_input(model, inside)


class _SeenEnoughError(Exception):
    """Stops a forward pass that is only made to look at its beginning."""


def _with_one_input(model: nn.Module, inside: list[_Map]) -> list[str]:
    """Names of the three of four maps that are given the same tensor, when two tokens are run."""
    import torch

    given: dict[str, torch.Tensor] = {}  # kept, so that no memory is used twice

    def look(name: str) -> Any:
        def hook(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
            given[name] = inputs[0]
            if len(given) == len(inside):
                raise _SeenEnoughError

        return hook

    hooks = [one.module.register_forward_pre_hook(look(one.name)) for one in inside]
    tokens = torch.zeros((1, 2), dtype=torch.long, device=next(model.parameters()).device)
    try:
        with torch.no_grad():
            model(tokens)
    except Exception:  # noqa: BLE001, S110  # a model that does not run is one not looked into
        pass
    finally:
        for hook in hooks:
            hook.remove()
    sharing: dict[int, list[str]] = {}
    for name, tensor in given.items():
        sharing.setdefault(tensor.data_ptr(), []).append(name)
    return next((names for names in sharing.values() if len(names) == 3), [])


def _by_name(layer: str, maps: Sequence[_Map]) -> list[str]:
    """Paths of one layer's projections, by well-known names."""
    inside = [one for one in maps if one.path.startswith(f"{layer}.")]
    for names in _KNOWN:
        if set(names) <= {one.name for one in inside}:
            return [one.path for one in inside if one.name in names]
    return []


def _endings(paths: list[str], model: nn.Module) -> list[str]:
    """The shortest endings that match these paths and no other module of the model."""
    wanted = set(paths)
    everything: dict[str, set[str]] = {}
    for path, _ in model.named_modules():
        parts = path.split(".")
        for length in range(1, len(parts) + 1):
            everything.setdefault(".".join(parts[-length:]), set()).add(path)
    endings: dict[str, None] = {}
    for path in paths:
        parts = path.split(".")
        candidates = (".".join(parts[-length:]) for length in range(1, len(parts) + 1))
        endings[next((end for end in candidates if everything[end] <= wanted), path)] = None
    return list(endings)


def _ends(path: str, name: str) -> bool:
    return path == name or path.endswith(f".{name}")


def _refusal(model_type: str, wrong: str, maps: Sequence[_Map]) -> UserError:
    counts: dict[str, int] = {}
    for one in maps:
        counts[one.name] = counts.get(one.name, 0) + 1
    there = ", ".join(f"{name} ({count})" for name, count in sorted(counts.items()))
    return UserError(f"{model_type}: {wrong}; set `targets` to some of: {there}")
