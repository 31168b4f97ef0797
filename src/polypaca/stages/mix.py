"""mix: how long rows are, and the rows of every mixture.

lengths/<model>/                             <language>.jsonl
mixtures/<recipe>[-<language>].s<seed>/      train.jsonl, validation.jsonl
mixtures/heldout/                            <language>.jsonl
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from polypaca.core.errors import DataError, UserError
from polypaca.core.files import atomic_write, read_jsonl, write_jsonl
from polypaca.core.folders import (
    HeldOutFacts,
    HeldOutFolder,
    LengthsFolder,
    MixtureFacts,
    MixtureFolder,
)
from polypaca.core.records import Example
from polypaca.core.work import INPUT, Context, Facts, SingleWork
from polypaca.data.budgets import (
    flops_per_token,
)
from polypaca.data.lengths import row_costs, row_lengths
from polypaca.data.mixtures import (
    DrawOptions,
    align_rows,
    budget_size,
    draw,
    normalise_weights,
    shares_by_temperature,
    split_at_random,
    total_cost,
    validation_rows,
)
from polypaca.models.loading import load_tokenizer
from polypaca.models.size import parameter_count
from polypaca.models.templates import load_template

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from polypaca.core.folders import BaseFolder, TranslationFolder
    from polypaca.core.settings import Json
    from polypaca.data.budgets import MethodKind, Unit
    from polypaca.data.mixtures import Align, Sampling


@dataclass(frozen=True, kw_only=True)
class MeasureLengths(SingleWork[LengthsFolder]):
    """How many tokens of a model's tokenizer every row has, uncut."""

    step, stage, format_number = "lengths", "mix", 2
    makes = LengthsFolder

    base: BaseFolder
    translations: Mapping[str, TranslationFolder]
    template: str

    def run(self, context: Context) -> Facts:
        """Write one file a language."""
        tokenizer = load_tokenizer(self.base.path)
        wording = load_template(self.template, tokenizer)
        for number, (language, given) in enumerate(self.translations.items()):
            context.progress(number / len(self.translations), language)
            rows = (
                (row.id, wording.render(row.instruction, row.input), row.output)
                for row in read_jsonl(given.examples, Example)
            )
            with atomic_write(context.folder / f"{language}.jsonl") as file:
                for length in row_lengths(
                    rows,
                    tokenizer.backend_tokenizer,
                    tokenizer.eos_token_id,
                    closing=wording.closing,
                    special_tokens=wording.special_tokens,
                ):
                    file.write(json.dumps(asdict(length), ensure_ascii=False) + "\n")
        return Facts(summary=f"rows of {len(self.translations)} languages measured")


@dataclass(frozen=True, kw_only=True)
class DrawMixture(SingleWork[MixtureFolder]):
    """The rows of one mixture.

    All training languages are read, since together they define a budget. `lengths` and
    `max_length` are needed where anything is counted in tokens, `base` and `kind` for FLOPs.
    """

    step, stage, format_number = "mix", "mix", 2
    makes = MixtureFolder

    translations: Mapping[str, TranslationFolder]
    lengths: LengthsFolder | None = field(default=None, metadata=INPUT)
    base: BaseFolder | None = field(default=None, metadata=INPUT)
    languages: Sequence[str]
    budgets: float | None
    sampling: Sampling
    align: Align
    random_validation: int | None  # rows drawn from the mixture itself; None: held-out sources
    unit: Unit
    seed: int
    max_length: int | None = None
    kind: MethodKind | None = None

    def decides(self) -> Json:
        """What is not needed where rows alone are counted is left out."""
        return {
            name: value
            for name, value in super().decides().items()
            if value is not None or name not in ("max_length", "kind")
        }

    def run(self, context: Context) -> MixtureFacts:
        """Sample it.

        Raises:
            DataError: if there are fewer rows than the recipe asks for.
        """
        context.progress(0.0, ", ".join(self.languages))
        examples = _examples(self.translations)
        rows = align_rows(examples, self.align)
        tokens = None
        if self.lengths and self.max_length:
            tokens = _tokens(self.lengths.path, self.max_length)
        chosen = draw(
            rows, self.languages, self._draw(rows, tokens), self.seed, self._costs(tokens)
        )
        leaked = None
        if self.random_validation is None:
            train, validation = chosen, validation_rows(examples, self.languages, self.align)
        else:
            train, validation, leaked = split_at_random(chosen, self.random_validation, self.seed)
        if not validation:
            raise DataError(
                "no validation row is left", hint="see the rejected rows of `translate`"
            )
        write_jsonl(context.folder / "train.jsonl", train)
        write_jsonl(context.folder / "validation.jsonl", validation)
        counts = Counter(row.language for row in train)
        budgets = total_cost(train, tokens) / budget_size(rows, tokens)
        if self.unit == "examples":
            budgets = len(train) / budget_size(rows, None)
        return MixtureFacts(
            validation_sources_trained_on=leaked,
            rows=len(train),
            rows_by_language={code: counts[code] for code in self.languages},
            validation_rows=len(validation),
            one_budget_rows=budget_size(rows, None),
            budgets=budgets,
            summary=f"{len(train)} rows, {budgets:.4g} budgets",
        )

    def _costs(self, tokens: Mapping[str, int] | None) -> Mapping[str, int] | None:
        # An amount in rows stays one, whatever budgets are counted in.
        return None if self.sampling.examples else tokens

    def _draw(
        self, rows: Mapping[str, list[Example]], tokens: Mapping[str, int] | None
    ) -> DrawOptions:
        sampling = self.sampling
        amount: float | None = sampling.examples or sampling.tokens
        if sampling.flops and self.base and self.kind:
            amount = sampling.flops / _flops_per_token(self.base.path, self.kind)
        costs = self._costs(tokens)
        sizes = {code: float(total_cost(rows[code], costs)) for code in self.languages}
        return DrawOptions(
            budgets=self.budgets,
            amount=amount,
            shares=_shares(sampling, sizes),
            one_language_per_source=sampling.one_language_per_source,
            repeat=sampling.repeat,
        )


@dataclass(frozen=True, kw_only=True)
class HoldOut(SingleWork[HeldOutFolder]):
    """The held-out sources in every training language: every cell's loss is taken on all of them.

    Under `data.split: random` no source is held out of every mixture, and there is no row.
    """

    step, stage, format_number = "heldout", "mix", 1
    makes = HeldOutFolder

    translations: Mapping[str, TranslationFolder]
    align: Align

    def run(self, context: Context) -> HeldOutFacts:
        """Write one file a language."""
        context.progress(0.0, "held-out rows")
        examples = _examples(self.translations)
        counts = {}
        for language in examples:
            if rows := validation_rows(examples, [language], self.align):
                counts[language] = write_jsonl(context.folder / f"{language}.jsonl", rows)
        total = sum(counts.values())
        return HeldOutFacts(rows=counts, summary=f"{total} rows in {len(counts)} languages")


def _examples(translations: Mapping[str, TranslationFolder]) -> dict[str, list[Example]]:
    """All rows of all training languages."""
    return {
        language: list(read_jsonl(given.examples, Example))
        for language, given in translations.items()
    }


def _tokens(folder: Path, max_length: int) -> dict[str, int]:
    """What each row costs in tokens; a row that is cut to nothing costs the whole limit."""
    costs = row_costs(folder, max_length, "all")
    return {row_id: cost.tokens for row_id, cost in costs.items()}


def _flops_per_token(base: Path, kind: MethodKind) -> int:
    parameters = parameter_count(base)
    if parameters is None:
        raise UserError(
            f"{base.name}: `flops` needs the model's number of parameters, and it has no weights"
        )
    return flops_per_token(parameters, kind)


def _shares(sampling: Sampling, sizes: Mapping[str, float]) -> dict[str, float] | None:
    """The languages' exact shares, where the recipe wants such."""
    if sampling.weights:
        return normalise_weights(sampling.weights)
    if sampling.temperature:
        return shares_by_temperature(sizes, sampling.temperature)
    return normalise_weights(dict.fromkeys(sizes, 1.0)) if sampling.stratified else None
