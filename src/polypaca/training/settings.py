"""The settings of training: the sections `methods` and `train` of a study file."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from polypaca.core.rows import name_in
from polypaca.core.settings import RUN_ONLY, Settings
from polypaca.training.trackers import TRACKERS

# At most one of each may be given.
RIVALS = (("warmup_steps", "warmup_ratio"), ("evaluations", "evaluate_every"))


class _Method(Settings):
    """The settings that LoRA and full fine-tuning share."""

    learning_rate: float = Field(gt=0, lt=1)
    batch_size: int = Field(
        ge=1, description="examples per optimizer step, over all devices together"
    )
    epochs: float = Field(gt=0)
    warmup_steps: int | None = Field(default=None, ge=0)
    warmup_ratio: float | None = Field(default=None, ge=0, lt=1)
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    weight_decay: float = Field(default=0.0, ge=0)
    max_grad_norm: float = Field(
        default=1.0, ge=0, description="norm that gradients are clipped to; 0: no clipping"
    )
    max_length: int = Field(
        default=512, ge=16, description="maximum tokens of an example; longer ones are truncated"
    )
    loss_on: Literal["all", "response"] = "response"
    template: Literal["alpaca", "alpaca-no-newline", "chat"] = Field(
        default="alpaca", description="prompt template; chat: the model's own chat template"
    )
    group_by_length: bool = Field(
        default=False, description="batch examples of about the same length together"
    )
    evaluations: int | None = Field(
        default=None,
        ge=1,
        description="how many times validation loss is measured, evenly spread over training",
    )
    evaluate_every: int | None = Field(
        default=None, ge=1, description="optimizer steps between measurements of validation loss"
    )
    checkpoint: Literal["best", "last"] = "best"
    precision: Literal["auto", "fp32", "bf16"] = Field(
        default="auto", description="numeric precision; auto: bf16 where the hardware supports it"
    )

    @property
    def warmup(self) -> float:
        """The warm-up: a number of steps from 1 up, a share of all steps below 1."""
        return self.warmup_ratio or 0.0 if self.warmup_steps is None else self.warmup_steps

    @model_validator(mode="after")
    def _one_of_each(self) -> _Method:
        for one, other in RIVALS:
            if getattr(self, one) is not None and getattr(self, other) is not None:
                raise ValueError(f"give `{one}` or `{other}`, not both")
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


Method = Lora | Full
Kind = Literal["lora", "full"]


class Hardware(Settings):
    """How training uses the hardware; the results do not depend on it, but for rounding."""

    micro_batch_tokens: Annotated[int | None, RUN_ONLY] = Field(
        default=None, ge=16, description="tokens per forward pass; null: as many as memory allows"
    )
    activation_checkpointing: Annotated[Literal["auto", "always", "never"], RUN_ONLY] = Field(
        default="auto",
        description="recompute activations in the backward pass; auto: where memory is short",
    )
    sharding: Annotated[Literal["none", "fsdp"], RUN_ONLY] = Field(
        default="none",
        description="how several devices hold the model: a copy each, or shards (fsdp: FSDP2)",
    )
    cpu_offload: Annotated[bool, RUN_ONLY] = Field(
        default=False, description="keep parameters in CPU memory between uses; needs fsdp"
    )
    report_to: Annotated[list[Annotated[str, name_in(TRACKERS, "tracker")]], RUN_ONLY] = Field(
        default_factory=list, description="trackers to send metrics to, besides metrics.jsonl"
    )

    @model_validator(mode="after")
    def _offload_of_shards(self) -> Hardware:
        if self.cpu_offload and self.sharding != "fsdp":
            raise ValueError("cpu_offload needs `sharding: fsdp`")
        return self
