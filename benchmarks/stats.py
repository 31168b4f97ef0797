"""How the statistics behave: python benchmarks/stats.py TABLE.

`coverage`: how often 95 % intervals hold the true mean, by simulation, with the intervals that
were not chosen beside them (minutes). `errors`: how often tests of true null hypotheses reject, for
single tests and for whole headlines (minutes). `correlations`: the same for `polypaca agree`.
`grid`: seconds and peak memory of the analyze stage on the paper's grid, written to disk (168
cells, 30,450 responses). Each prints one table for docs/statistics.md.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from polypaca.stats.answers import Answers, stack_answers
from polypaca.stats.comparisons import RowPair, compare
from polypaca.stats.correlations import KINDS, correlation
from polypaca.stats.intervals import (
    BOOTSTRAP,
    Sample,
    intervals,
    per_prompt,
    resampling,
    studentised,
)
from polypaca.stats.permutation import flip_p_values
from polypaca.stats.proportions import share_interval

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from polypaca.core.systems import SystemLabel

    Array = NDArray[np.float64]
    # (generator, simulations, prompts) -> values (simulations, prompts, languages)
    DrawOptions = Callable[[np.random.Generator, int, int], Array]

SIZES = (20, 50, 100)
HALVES, SHARES = [0.5, 1.0, 1.5, 2.0], [0.4, 0.3, 0.2, 0.1]


def normal(generator: np.random.Generator, many: int, prompts: int) -> Array:
    values = np.round(2 * generator.normal(0.2, 0.9, (many, prompts, 1))) / 2
    return np.clip(values, -3, 3)


def skewed(generator: np.random.Generator, many: int, prompts: int) -> Array:
    shares = [0.45, 0.25, 0.12, 0.08, 0.05, 0.03, 0.02]
    return generator.choice(np.arange(7) / 2, p=shares, size=(many, prompts, 1))


def sparse(
    generator: np.random.Generator, many: int, prompts: int, *, share: float, down: float
) -> Array:
    """Zero but for a share of the prompts; of these a part `down` is negative."""
    size = (many, prompts, 1)
    signs = np.where(generator.random(size) < down, -1.0, 1.0)
    there = generator.random(size) < share
    values: Array = there * signs * generator.choice(HALVES, p=SHARES, size=size)
    return values


def scores(generator: np.random.Generator, many: int, prompts: int, *, zero: float) -> Array:
    """Scores of 1..3 near the top, of which the gate takes a share."""
    size = (many, prompts, 1)
    rated = generator.choice([3, 2.5, 2, 1.5, 1], p=[0.6, 0.1, 0.15, 0.05, 0.1], size=size)
    values: Array = rated * (generator.random(size) >= zero)
    return values


def languages(
    generator: np.random.Generator, many: int, prompts: int, *, missing: float = 0.0
) -> Array:
    """Six languages that share each prompt's effect; half of the differences are 0."""
    size = (many, prompts, 6)
    shared = generator.normal(0, 0.7, (many, prompts, 1))
    values = np.round(2 * (0.2 + shared + generator.normal(0, 0.8, size))) / 2
    values = np.clip(values, -3, 3) * (generator.random(size) < 0.5)
    values[generator.random(size) < missing] = np.nan
    return values


DIFFERENCES = (-3.0, 3.0)
DISTRIBUTIONS: dict[str, tuple[DrawOptions, tuple[float, float]]] = {
    "dense, near normal": (normal, DIFFERENCES),
    "dense, skewed": (skewed, DIFFERENCES),
    "scores near the top": (partial(scores, zero=0.05), (0.0, 3.0)),
    "scores, 65 % gated to 0": (partial(scores, zero=0.65), (0.0, 3.0)),
    "six languages": (languages, DIFFERENCES),
    "six languages, 10 % missing": (partial(languages, missing=0.1), DIFFERENCES),
    "half non-zero, 40 % of them down": (partial(sparse, share=0.5, down=0.4), DIFFERENCES),
    "30 %, one side": (partial(sparse, share=0.3, down=0.0), DIFFERENCES),
    "30 %, two sides": (partial(sparse, share=0.3, down=0.35), DIFFERENCES),
    "a fifth, one side": (partial(sparse, share=0.2, down=0.0), DIFFERENCES),
    "a fifth, two sides": (partial(sparse, share=0.2, down=0.35), DIFFERENCES),
    "a fifth, half of them down": (partial(sparse, share=0.2, down=0.5), DIFFERENCES),
    "10 %, one side": (partial(sparse, share=0.1, down=0.0), DIFFERENCES),
    "10 %, half of them down": (partial(sparse, share=0.1, down=0.5), DIFFERENCES),
    "4 %, one side": (partial(sparse, share=0.04, down=0.0), DIFFERENCES),
    "all 0": (partial(sparse, share=0.0, down=0.0), DIFFERENCES),
}


def coverage(simulations: int, resamples: int) -> None:
    """Print how often the true mean is held, and by which method."""
    print(
        "| prompts | differences | covers | bootstrap | width | percentile | Student | plain t* |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for prompts in SIZES:
        for name, (draw, bounds) in DISTRIBUTIONS.items():
            found = _coverage(draw, bounds, prompts, simulations, resamples)
            ours, share, width, *others = found
            more = " | ".join(_percent(other) for other in others)
            print(
                f"| {prompts} | {name} | {_percent(ours)} | {100 * share:.0f} % | {width:.1f} | "
                f"{more} |",
                flush=True,
            )


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _coverage(
    draw: DrawOptions, bounds: tuple[float, float], prompts: int, simulations: int, resamples: int
) -> list[float]:
    """Coverage, share of bootstraps, width in points; coverage of three other intervals."""
    from scipy import stats

    generator = np.random.default_rng(17)
    truth = float(np.nanmean(draw(generator, 20_000, 100)))
    rows = []
    for start in range(0, simulations, 250):
        # New weights for each batch, so that chance in the weights evens out as well.
        drawn = resampling(prompts, resamples, 0.95, start)
        values = draw(generator, min(250, simulations - start), prompts)
        samples = [Sample(columns, *bounds, 50) for columns in values]
        ours = intervals(samples, drawn)
        low, high = (np.array([getattr(i, end) / 50 for i in ours]) for end in ("low", "high"))
        bootstrap = np.array([interval.method == BOOTSTRAP for interval in ours])
        with np.errstate(all="ignore"):
            means, errors, sizes, ratios = studentised(samples, drawn.bootstrap)
            plain = np.quantile(ratios, [0.975, 0.025], axis=0, method="nearest")
            reach = stats.t.ppf(0.975, sizes - 1) * errors
            columns = np.stack([per_prompt(sample.columns) for sample in samples], axis=1)
            there = (~np.isnan(columns)).astype(np.float64)
            shifted = (drawn.bootstrap @ np.nan_to_num(columns)) / (drawn.bootstrap @ there)
            percentile = np.quantile(shifted, [0.025, 0.975], axis=0)
        ends = [
            (low, high),
            (percentile[0], percentile[1]),
            (means - reach, means + reach),
            (means - plain[0] * errors, means - plain[1] * errors),
        ]
        held = [np.mean((a <= truth + 1e-9) & (truth - 1e-9 <= b)) for a, b in ends]
        rows.append([held[0], bootstrap.mean(), 50 * np.mean(high - low), *held[1:]])
    return [float(value) for value in np.mean(rows, axis=0)]


def shares() -> None:
    """Print the coverage of intervals for shares, exact by the binomial distribution."""
    from scipy import stats

    print("| prompts | true share | covers |")
    print("|---|---|---|")
    for prompts in SIZES:
        for truth in (0.01, 0.05, 0.1, 0.3, 0.5, 0.9, 0.98):
            ends = [share_interval(k / prompts, prompts, 0.95) for k in range(prompts + 1)]
            chances = stats.binom.pmf(np.arange(prompts + 1), prompts, truth)
            held = sum(
                chance
                for chance, end in zip(chances, ends, strict=True)
                if end.low <= truth <= end.high
            )
            print(f"| {prompts} | {truth:g} | {_percent(float(held))} |")


def errors(simulations: int) -> None:
    """Print how often true null hypotheses are rejected at 5 %."""
    print("| prompts | differences under the null | rejected |")
    print("|---|---|---|")
    nulls: dict[str, DrawOptions] = {
        "dense, near normal": _centred(normal),
        "two systems with scores near the top": _exchangeable(partial(scores, zero=0.05)),
        "two systems, 65 % gated to 0": _exchangeable(partial(scores, zero=0.65)),
        "six languages, 10 % missing": _centred(partial(languages, missing=0.1)),
        "a fifth, half of them down": partial(sparse, share=0.2, down=0.5),
        "4 %, half of them down": partial(sparse, share=0.04, down=0.5),
        "mean 0 though skewed (not exchangeable)": _skewed_null,
    }
    for prompts in SIZES:
        for name, draw in nulls.items():
            generator = np.random.default_rng(23)
            samples = [Sample(v, -9, 9) for v in draw(generator, simulations, prompts)]
            p_values = flip_p_values(samples, 1999, 1)
            print(
                f"| {prompts} | {name} | {_percent(float(np.mean(np.array(p_values) <= 0.05)))} |"
            )
    print("\n| headline of 5 groups of 4 recipes, 6 languages, 50 prompts | any false claim |")
    print("|---|---|")
    for name, best, margin in (
        ("all recipes alike", 0.0, None),
        ("one recipe better by 0.5, the others alike", 0.5, None),
        ("one recipe better by the margin of 5 points, tested for being as good", 0.1, 5.0),
    ):
        wrong = [_headline(seed, best, margin) for seed in range(simulations // 4)]
        print(f"| {name} | {_percent(float(np.mean(wrong)))} |", flush=True)


def _centred(draw: DrawOptions) -> DrawOptions:
    """Each prompt's differences with a random sign, in all languages at once."""

    def null(generator: np.random.Generator, many: int, prompts: int) -> Array:
        signs = generator.choice([-1.0, 1.0], size=(many, prompts, 1))
        values: Array = draw(generator, many, prompts) * signs
        return values

    return null


def _exchangeable(draw: DrawOptions) -> DrawOptions:
    def null(generator: np.random.Generator, many: int, prompts: int) -> Array:
        values: Array = draw(generator, many, prompts) - draw(generator, many, prompts)
        return values

    return null


def _skewed_null(generator: np.random.Generator, many: int, prompts: int) -> Array:
    mean = float(np.arange(7) / 2 @ np.array([0.45, 0.25, 0.12, 0.08, 0.05, 0.03, 0.02]))
    values: Array = skewed(generator, many, prompts) - mean
    return values


def _headline(seed: int, best: float, margin: float | None) -> bool:
    """Whether a headline makes any false claim."""
    generator = np.random.default_rng(seed)
    table: dict[str, dict[str, Answers]] = {}
    pairs: list[RowPair] = []
    codes = ["a", "b", "c", "d", "e", "f"]
    for group in range(5):
        effect = generator.normal(2, 0.5, (50, 6))
        names = [f"{group}.{recipe}" for recipe in range(4)]
        for recipe, name in enumerate(names):
            # The best is shifted unrounded, so that its true lead is known.
            rated = np.round(2 * (effect + generator.normal(0, 0.5, (50, 6)))) / 2
            rated += best if recipe == 0 else 0.0
            table[name] = {code: _plain(rated[:, at]) for at, code in enumerate(codes)}
        pairs += [
            RowPair(a, b, "seen", None, codes, "after", "headline")
            for place, a in enumerate(names)
            for b in names[place + 1 :]
        ]
    drawn = resampling(50, 500, 0.95, seed)
    found = compare(pairs, table, drawn, top=9, margin=margin, seed=seed)
    if margin is not None:
        return any(c.margin is not None and c.margin.shown and ".0" in c.a for c in found)
    alike = [c for c in found if best == 0 or ".0" not in c.a]
    return any(c.shown for c in alike)


def _plain(rating: Array) -> Answers:
    ones = np.ones(len(rating))
    others = ("gate", "determined", "line_gate", "word_gate")
    return stack_answers({1: {"rating": rating, **dict.fromkeys(others, ones)}})


def correlations(simulations: int) -> None:
    """Print how often the intervals of `agree` hold the true correlation of normal totals."""
    print("| systems | correlation | true value | covers |")
    print("|---|---|---|---|")
    for systems in (8, 12, 30):
        for rho in (0.5, 0.9):
            truths = {
                "pearson": rho,
                "spearman": 6 / math.pi * math.asin(rho / 2),
                "kendall": 2 / math.pi * math.asin(rho),
            }
            for kind in KINDS:
                generator = np.random.default_rng(29)
                held = 0
                for _ in range(simulations):
                    x = generator.normal(size=systems)
                    y = rho * x + math.sqrt(1 - rho * rho) * generator.normal(size=systems)
                    found = correlation(kind, x.tolist(), y.tolist(), 0.95)
                    if found.low is not None and found.high is not None:
                        held += found.low <= truths[kind] <= found.high
                print(
                    f"| {systems} | {kind} | {truths[kind]:.2f} | {_percent(held / simulations)} |",
                    flush=True,
                )


GROUPS, PROMPTS = 21, 50
SEEN, UNSEEN = ["en", "fr", "es", "bg", "ru", "zh"], ["bn", "no"]


def grid(groups: int, margin: float | None) -> None:
    """Print seconds and peak memory of the analyze stage on the paper's grid."""
    from polypaca.core.work import Context
    from polypaca.stages.analyze import AnalyzeStudy
    from polypaca.stats.settings import Statistics

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        arguments = _write_grid(folder, groups)
        answers = sum(
            1 for path in folder.glob("*/responses/responses.jsonl") for _ in path.open("rb")
        )
        started, used = time.perf_counter(), time.process_time()
        work = AnalyzeStudy(**arguments, statistics=Statistics(margin=margin))
        work.run(Context(folder / "analysis"))
        seconds = time.perf_counter() - started
        cpu = time.process_time() - used
        found = json.loads((folder / "analysis" / "analysis.json").read_text(encoding="utf-8"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
        1 if sys.platform == "darwin" else 1024
    )
    print("| cells | responses | scores | comparisons | seconds | CPU seconds | peak memory |")
    print("|---|---|---|---|---|---|---|")
    print(
        f"| {len(arguments['cells'])} | {answers:,} | {len(found['scores']):,} | "
        f"{len(found['comparisons']):,} | {seconds:.1f} | {cpu:.1f} | {peak / 2**20:.0f} MiB |"
    )


def _write_grid(folder: Path, groups: int) -> dict[str, Any]:
    """The files that the stage reads, and its other arguments."""
    from polypaca.core import folders
    from polypaca.core.files import write_json, write_jsonl
    from polypaca.core.records import Prompt
    from polypaca.generation.contract import Generate

    codes = [*SEEN, *UNSEEN]
    for code in codes:
        write_jsonl(
            folder / "prompts" / f"{code}.jsonl",
            [Prompt(id=f"p{n}", language=code, prompt=f"{code} {n} " * 20) for n in range(PROMPTS)],
        )
    write_json(
        folder / "budgets" / "ledger.json",
        {"unit": "examples", "one_budget_rows": 1, "cells": [], "notes": []},
    )
    generator = np.random.default_rng(31)
    systems: list[SystemLabel] = []
    for group in range(groups):
        for mixture in [*(f"monolingual-{code}" for code in SEEN), "multilingual", "downsampled"]:
            system = f"model{group}.lora.{mixture}.s1"
            own = mixture.removeprefix("monolingual-")
            tested = [own] if own in SEEN and own != "en" else codes
            systems.append(_system(system, f"model{group}", mixture, tested))
            _write_system(folder / system, system, tested, generator)
    names = [system.system for system in systems]
    return {
        "prompts": folders.PromptsFolder(folder / "prompts"),
        "responses": {n: folders.ResponsesFolder(folder / n / "responses") for n in names},
        "verdicts": {n: folders.VerdictsFolder(folder / n / "verdicts") for n in names},
        "gate": {n: folders.GateFolder(folder / n / "gate") for n in names},
        "cells": {n: folders.CellFolder(folder / n / "train") for n in names},
        "instructions": folders.InstructionsFolder(folder / "none"),
        "translations": {},
        "budgets": folders.LedgerFolder(folder / "budgets"),
        "judges": ["grid"],
        "compared": {},
        "study": "grid",
        "train_languages": SEEN,
        "test_languages": codes,
        "recipes": ["monolingual", "multilingual", "downsampled", "english"],
        "systems": systems,
        "generate": Generate(),
    }


def _system(system: str, model: str, mixture: str, tested: Sequence[str]) -> SystemLabel:
    from polypaca.core.systems import SystemLabel

    own = mixture.removeprefix("monolingual-")
    answers_for: dict[str, tuple[str, ...]] = {"monolingual": (own,)}
    if own == mixture:
        answers_for = {mixture: tuple(tested)}
    if own == "en":
        answers_for["english"] = tuple(tested)
    return SystemLabel(
        system,
        "cell",
        model,
        "lora",
        answers_for=answers_for,
        seed=1,
        budgets=float(len(SEEN)) if mixture == "multilingual" else 1.0,
        tuned_on=tuple(SEEN),
    )


def _write_system(
    folder: Path, system: str, tested: Sequence[str], generator: np.random.Generator
) -> None:
    from polypaca.core.files import sha256_text, write_json, write_jsonl
    from polypaca.core.records import GateResult, Response, Verdict

    text = "An answer of usual length, which a judge has read and rated. " * 12
    sha = sha256_text(text)
    keys = [
        {"system": system, "prompt_id": f"p{n}", "language": code}
        for code in tested
        for n in range(PROMPTS)
    ]
    answers = [
        Response.model_validate({**k, "response": text, "finish_reason": "stop"}) for k in keys
    ]
    verdicts, gates = [], []
    for key in keys:
        rating = float(generator.choice([1.0, 1.5, 2.0, 2.5, 3.0]))
        # A few judgements fail, so that some columns have values missing.
        failed = generator.random() < 0.002
        verdicts.append(
            Verdict.model_validate(
                {
                    **key,
                    "response_sha256": sha,
                    "judge": "grid",
                    "rating": None if failed else rating,
                    "status": "failed" if failed else "ok",
                }
            )
        )
        gates.append(
            GateResult.model_validate(
                {
                    **key,
                    "response_sha256": sha,
                    "detector": "grid",
                    "detected": key["language"],
                    "confidence": 1.0,
                    "gate": int(generator.random() < 0.9),
                    "line_gate": int(generator.random() < 0.9),
                    "word_gate": None,
                }
            )
        )
    write_jsonl(folder / "responses" / "responses.jsonl", answers)
    write_jsonl(folder / "verdicts" / "verdicts.jsonl", verdicts)
    write_jsonl(folder / "gate" / "gate.jsonl", gates)
    ledger = {"examples": 1, "tokens": 1, "supervised_tokens": 1, "steps": 1, "best_step": 1}
    more = {"truncated_rows": 0, "dropped_rows": 0, "validation_loss": 1.0, "wall_seconds": 1.0}
    write_json(folder / "train" / "ledger.json", {**ledger, **more})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("table", choices=("coverage", "shares", "errors", "correlations", "grid"))
    parser.add_argument("--simulations", type=int, default=2000)
    parser.add_argument("--resamples", type=int, default=2000)
    parser.add_argument("--groups", type=int, default=GROUPS, help="of the grid; the paper has 21")
    parser.add_argument("--margin", type=float, help="of the grid, in points")
    chosen = parser.parse_args()
    if chosen.table == "coverage":
        coverage(chosen.simulations, chosen.resamples)
    elif chosen.table == "shares":
        shares()
    elif chosen.table == "errors":
        errors(chosen.simulations)
    elif chosen.table == "correlations":
        correlations(chosen.simulations)
    else:
        grid(chosen.groups, chosen.margin)


if __name__ == "__main__":
    main()
