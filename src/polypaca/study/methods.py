"""The section `methods`: how cells are trained, and the presets that spell methods out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from polypaca.study.fields import Section

if TYPE_CHECKING:
    from collections.abc import Mapping

# What arXiv 2309.08958 (section 3, Table 1) and its published code set; docs/training.md has the
# sources line by line, what the code leaves open, and the reason for each difference of
# `recommended`.
_PAPER_LORA: Mapping[str, Any] = {
    "kind": "lora",
    "rank": 8,
    "alpha": 16,
    "dropout": 0.05,
    "targets": "attention-qkv",
    "learning_rate": 3e-4,
    "batch_size": 128,
    "epochs": 5,
    "warmup_steps": 100,
    "schedule": "linear",
    "weight_decay": 0.0,
    "max_length": 512,
    "loss_on": "all",
    "template": "alpaca",
    "group_by_length": True,
    "evaluate_every": 200,
    "checkpoint": "best",
}
_PAPER_FULL: Mapping[str, Any] = {
    "kind": "full",
    "learning_rate": 2e-5,
    "batch_size": 256,
    "epochs": 3,
    "warmup_ratio": 0.03,
    "schedule": "cosine",
    "weight_decay": 0.0,
    "max_length": 512,
    "loss_on": "response",
    "template": "alpaca-no-newline",
    "evaluate_every": 200,
    "checkpoint": "last",
}
PRESETS: Mapping[str, Mapping[str, Mapping[str, Any]]] = {  # preset -> kind -> settings
    "paper-lora": {"lora": _PAPER_LORA},
    "paper-full": {"full": _PAPER_FULL},
    "recommended": {
        "lora": {**_PAPER_LORA, "loss_on": "response", "group_by_length": False},
        "full": {**_PAPER_FULL, "template": "alpaca", "checkpoint": "best"},
    },
}
# Of these at most one may be given: a method's own replaces the preset's.
_RIVALS = (("warmup_steps", "warmup_ratio"), ("evaluations", "evaluate_every"))


def with_preset(name: str, body: Any) -> Any:
    """A method's section with its kind told and its preset's settings filled in.

    `name` is the method's: one called `lora` or `full` needs no `kind`. What is wrong with the
    section is left for its validation to report.
    """
    if name in ("lora", "full") and body is None:
        body = {}
    if not isinstance(body, dict):
        return body
    preset = PRESETS.get(str(body.get("preset")), {})
    kind = body.get("kind", name if name in ("lora", "full") else None)
    if kind is None and len(preset) == 1:
        kind = next(iter(preset))
    settings = dict(preset.get(str(kind), {}))
    for rivals in _RIVALS:
        if any(key in body for key in rivals):
            settings = {key: value for key, value in settings.items() if key not in rivals}
    return {**settings, **({} if kind is None else {"kind": kind}), **body}


class _Method(Section):
    preset: Literal["paper-lora", "paper-full", "recommended"] | None = Field(
        default=None, description="settings to start from; what else is said here goes before them"
    )
    learning_rate: float = Field(gt=0, lt=1)
    batch_size: int = Field(
        ge=1, description="global: examples an optimizer step, on however many devices"
    )
    epochs: float = Field(gt=0)
    warmup_steps: int | None = Field(default=None, ge=0)
    warmup_ratio: float | None = Field(default=None, ge=0, lt=1)
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    weight_decay: float = Field(default=0.0, ge=0)
    max_grad_norm: float = Field(default=1.0, ge=0, description="0: gradients are not clipped")
    max_length: int = Field(default=512, ge=16, description="tokens; longer examples are cut")
    loss_on: Literal["all", "response"] = "response"
    template: Literal["alpaca", "alpaca-no-newline", "chat"] = Field(
        default="alpaca", description="chat: the model's own chat template"
    )
    group_by_length: bool = Field(
        default=False, description="examples of a batch have about one length"
    )
    evaluations: int | None = Field(
        default=None, ge=1, description="validation loss is taken so often, evenly spread"
    )
    evaluate_every: int | None = Field(
        default=None, ge=1, description="validation loss is taken every so many steps"
    )
    checkpoint: Literal["best", "last"] = "best"
    precision: Literal["auto", "fp32", "bf16"] = Field(
        default="auto", description="auto: bf16 where the hardware has it"
    )
    models: list[str] | None = Field(default=None, description="only these models of the study")
    recipes: list[str] | None = Field(default=None, description="only these recipes of the study")

    @model_validator(mode="after")
    def _one_of_each(self) -> _Method:
        for one, other in _RIVALS:
            if getattr(self, one) is not None and getattr(self, other) is not None:
                raise ValueError(f"give `{one}` or `{other}`, not both")
        return self

    @model_validator(mode="after")
    def _preset_of_kind(self) -> _Method:
        kind = getattr(self, "kind", None)
        if self.preset is not None and kind not in PRESETS[self.preset]:
            raise ValueError(f"preset {self.preset} is for kind {', '.join(PRESETS[self.preset])}")
        return self


class Lora(_Method):
    """Low-rank adapters; the defaults are the paper's (arXiv 2309.08958, Table 1)."""

    kind: Literal["lora"] = "lora"
    rank: int = Field(default=8, ge=1)
    alpha: float = Field(default=16, gt=0)
    dropout: float = Field(default=0.05, ge=0, lt=1)
    targets: Literal["attention-qkv"] | list[str] = "attention-qkv"
    learning_rate: float = Field(default=3e-4, gt=0, lt=1)
    batch_size: int = Field(default=128, ge=1)
    epochs: float = Field(default=5, gt=0)


class Full(_Method):
    """Full fine-tuning; the defaults are the paper's (arXiv 2309.08958, Table 1)."""

    kind: Literal["full"] = "full"
    learning_rate: float = Field(default=2e-5, gt=0, lt=1)
    batch_size: int = Field(default=256, ge=1)
    epochs: float = Field(default=3, gt=0)


Method = Annotated[Lora | Full, Field(discriminator="kind")]


class Train(Section):
    """How training uses the hardware; the results do not depend on it, but for rounding."""

    micro_batch_tokens: int | None = Field(
        default=None, ge=16, description="tokens a forward pass; found by the memory at hand"
    )
    activation_checkpointing: Literal["auto", "always", "never"] = Field(
        default="auto", description="auto: only where memory does not suffice without"
    )
    sharding: Literal["none", "fsdp"] = Field(
        default="none", description="over several devices: whole copies, or shards (FSDP2)"
    )
    cpu_offload: bool = Field(
        default=False, description="with fsdp: parameters wait in the CPU's memory"
    )
    report_to: list[Literal["tensorboard", "wandb", "trackio", "mlflow"]] = Field(
        default_factory=list, description="where metrics go beside metrics.jsonl"
    )

    @model_validator(mode="after")
    def _offload_of_shards(self) -> Train:
        if self.cpu_offload and self.sharding != "fsdp":
            raise ValueError("cpu_offload is for `sharding: fsdp`")
        return self
