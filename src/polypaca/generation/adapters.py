"""Several LoRA adapters on one base model, mixed in a batch."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from polypaca.core.errors import UserError, first_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import torch


@dataclass
class _Layer:
    """One adapted projection: each adapter's weights, and those of a batch's adapters.

    `down` has shape (ranks of all together, in), `up` (out, ranks of all together).
    """

    module: Any
    downs: dict[str, torch.Tensor]
    ups: dict[str, torch.Tensor]
    down: torch.Tensor | None = None
    up: torch.Tensor | None = None


@dataclass
class Adapters:
    """Adapters that are on a model, by the names that they were loaded under.

    Attributes:
        names: of all.
    """

    names: tuple[str, ...]
    _layers: list[_Layer] = field(default_factory=list)
    _rows: Sequence[str | None] = ()
    _present: list[str] = field(default_factory=list)
    _masks: dict[tuple[int, Any], torch.Tensor] = field(default_factory=dict)

    @contextmanager
    def on_rows(self, names: Sequence[str | None]) -> Iterator[None]:
        """Use adapter `names[i]` for row i of the model's inputs; None is the base alone.

        If the inputs have a multiple of that many rows (beams), neighbours share an adapter.

        Raises:
            UserError: if there is no adapter of such a name.
        """
        if unknown := sorted({name for name in names if name} - set(self.names)):
            raise UserError(f"no adapter is loaded as {', '.join(unknown)}")
        self._rows, self._masks = names, {}
        self._present = sorted({name for name in names if name is not None})
        for layer in self._layers:
            _select(layer, self._present)
        try:
            yield
        finally:
            self._rows, self._masks = (), {}
            for layer in self._layers:
                layer.down = layer.up = None

    def mask(self, rows: int, ranks: Sequence[int], like: torch.Tensor) -> torch.Tensor:
        """1 where a rank belongs to the row's adapter, else 0; shape (rows, 1, all ranks)."""
        import torch

        key = (rows, tuple(ranks))
        if key not in self._masks:
            beams = rows // len(self._rows)
            owners = [
                name for name, rank in zip(self._present, ranks, strict=True) for _ in range(rank)
            ]
            ones = [
                [owner == name for owner in owners] for name in self._rows for _ in range(beams)
            ]
            mask = torch.tensor(ones, dtype=like.dtype, device=like.device)
            self._masks[key] = mask.view(rows, 1, len(owners))
        return self._masks[key]


@contextmanager
def with_adapters(model: Any, folders: Mapping[str, Path]) -> Iterator[Adapters]:
    """Put LoRA adapters onto a base model, and take them off again at the end.

    PEFT reads them. A projection then computes all adapters of a batch at once: the inputs times
    all their A matrices one under the other, what belongs to other rows' adapters set to 0, times
    all their B matrices side by side. That is what each adapter alone gives (arXiv 2106.09685,
    section 4.1) up to rounding, in the base's precision, as in training. Until then each row has to
    be given a name with `on_rows`; without, the model answers as the base.

    Args:
        model: without adapters, as `models.loading.load_model` gives it.
        folders: where PEFT saved each adapter, by any name.

    Raises:
        UserError: if a folder holds no adapter, one that is more than plain LoRA, one for a model
            of another shape, or one with weights that are no numbers.
    """
    if not folders:
        yield Adapters(())
        return
    adapted = None
    try:
        for number, folder in enumerate(folders.values()):
            adapted = _load(model, adapted, folder, str(number))
        loaded = Adapters(tuple(folders))
        loaded._layers = _layers(adapted, list(folders))
        for layer in loaded._layers:
            layer.module.forward = partial(_forward, layer, loaded)
        yield loaded
    finally:
        if adapted is not None:
            adapted.unload()


def _load(model: Any, adapted: Any, folder: Path, name: str) -> Any:
    """The model with one more adapter; `name` is PEFT's, which takes no dots."""
    from peft import PeftConfig, PeftModel

    try:
        config: Any = PeftConfig.from_pretrained(str(folder))
    except (OSError, ValueError, TypeError, KeyError) as error:
        reason = first_line(error)
        raise UserError(f"{folder}: the adapter could not be read: {reason}") from error
    _check_plain(folder, config)
    try:
        if adapted is None:
            return PeftModel.from_pretrained(
                model, str(folder), adapter_name=name, autocast_adapter_dtype=False
            )
        adapted.load_adapter(str(folder), adapter_name=name, autocast_adapter_dtype=False)
    except (OSError, ValueError, RuntimeError) as error:
        if adapted is None:
            _remove(model)
        reason = " ".join(str(error).split())[:300]
        raise UserError(f"{folder}: this adapter does not fit the model: {reason}") from error
    return adapted


def _check_plain(folder: Path, config: Any) -> None:
    more = [
        name
        for name in (
            "use_dora", "modules_to_save", "trainable_token_indices", "target_parameters",
            "lora_bias", "alora_invocation_tokens",
        )
        if getattr(config, name, None)
    ]  # fmt: skip
    if getattr(config, "bias", "none") != "none":
        more.append("bias")
    kind = str(getattr(config.peft_type, "value", config.peft_type))
    if kind != "LORA" or more:
        what = ", ".join(more) or kind
        raise UserError(
            f"{folder}: the adapter has {what}; only plain LoRA can be mixed in a batch. Merge it "
            "into its base with PEFT's merge_and_unload, and use the result as a model"
        )


def _remove(model: Any) -> None:
    """Take off the layers that a failed load left."""
    from peft.tuners.lora import LoraLayer

    for name, module in list(model.named_modules()):
        if isinstance(module, LoraLayer):
            parent, _, leaf = name.rpartition(".")
            setattr(model.get_submodule(parent), leaf, module.get_base_layer())


def _layers(adapted: Any, names: list[str]) -> list[_Layer]:
    import torch
    from peft.tuners.lora import Linear, LoraLayer

    layers = []
    modules: list[tuple[str, Any]] = list(adapted.named_modules())
    for path, module in modules:
        if not isinstance(module, LoraLayer):
            continue
        plain = type(module) is Linear
        layer: Any = module
        if not plain:
            raise UserError(f"{path} is a {type(layer).__name__}, which cannot be mixed in a batch")
        base = layer.get_base_layer().weight
        downs, ups = {}, {}
        for number, name in enumerate(names):
            if str(number) not in layer.lora_A:
                continue
            scale = layer.scaling[str(number)]
            down = layer.lora_A[str(number)].weight.detach()
            up = layer.lora_B[str(number)].weight.detach() * scale
            # NaN times 0 is NaN: it would spread to all rows.
            if not (torch.isfinite(down).all() and torch.isfinite(up).all()):
                raise UserError(
                    f"adapter {name} has weights that are not finite: its training diverged"
                )
            downs[name] = down.to(base.device, base.dtype)
            ups[name] = up.to(base.device, base.dtype)
        layers.append(_Layer(layer, downs, ups))
    return layers


def _select(layer: _Layer, names: list[str]) -> None:
    import torch

    present = [name for name in names if name in layer.downs]
    layer.down = torch.cat([layer.downs[name] for name in present]) if present else None
    layer.up = torch.cat([layer.ups[name] for name in present], dim=1) if present else None


def _forward(layer: _Layer, adapters: Adapters, x: torch.Tensor) -> torch.Tensor:
    """W x + the row's own alpha / r B A x."""
    import torch

    result: torch.Tensor = layer.module.base_layer(x)
    if layer.down is None or layer.up is None:
        return result
    ranks = [len(layer.downs[name]) if name in layer.downs else 0 for name in adapters._present]
    low = torch.nn.functional.linear(x, layer.down)
    low = low * adapters.mask(len(x), ranks, low)
    return torch.addmm(result.flatten(0, -2), low.flatten(0, -2), layer.up.T).view(result.shape)
