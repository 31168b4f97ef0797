"""The section `methods`: how cells are trained, and the presets that spell methods out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, model_validator

from polypaca.core.settings import RUN_ONLY, Settings
from polypaca.training.settings import RIVALS, Full, Lora

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


def with_preset(name: str, body: Any) -> Any:
    """A method's section with its kind and its preset's settings filled in.

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
    # A setting of the section also replaces the preset's rivals of it.
    for rivals in RIVALS:
        if any(key in body for key in rivals):
            settings = {key: value for key, value in settings.items() if key not in rivals}
    return {**settings, **({} if kind is None else {"kind": kind}), **body}


class _StudyMethod(Settings):
    """What a study file says of a method beside its settings."""

    preset: Annotated[Literal["paper-lora", "paper-full", "recommended"] | None, RUN_ONLY] = Field(
        default=None, description="settings to start from; the method's other keys override them"
    )
    models: Annotated[list[str] | None, RUN_ONLY] = Field(
        default=None, description="models of the study to train with this method; null: all"
    )
    recipes: Annotated[list[str] | None, RUN_ONLY] = Field(
        default=None, description="recipes of the study to train with this method; null: all"
    )

    @model_validator(mode="after")
    def _preset_fits_kind(self) -> _StudyMethod:
        kind = getattr(self, "kind", None)
        if self.preset is not None and kind not in PRESETS[self.preset]:
            kinds = " or ".join(PRESETS[self.preset])
            raise ValueError(f"preset {self.preset} needs `kind: {kinds}`")
        return self


class LoraMethod(Lora, _StudyMethod):
    """Low-rank adapters; the defaults are the paper's (arXiv 2309.08958, Table 1)."""


class FullMethod(Full, _StudyMethod):
    """Full fine-tuning; the defaults are the paper's (arXiv 2309.08958, Table 1)."""


Method = Annotated[LoraMethod | FullMethod, Field(discriminator="kind")]
