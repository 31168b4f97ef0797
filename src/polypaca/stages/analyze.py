"""analyze: scores, intervals and differences, from verdicts and gate.

    analysis/   analysis.json, scores.jsonl (every answer with its rating, gate and score)

The score exists only here: score = rating x gate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from polypaca import __version__
from polypaca.core import languages as names
from polypaca.core.files import read_jsonl, write_json, write_jsonl
from polypaca.core.ledgers import cell_cost
from polypaca.core.manifest import read_manifest
from polypaca.core.records import GateResult, Prompt, Response, Verdict
from polypaca.core.results import (
    TOTAL_PROMPTS,
    Analysis,
    BudgetLedger,
    Comparison,
    LanguageData,
    RowLabel,
    ScoredResponse,
)
from polypaca.stats.bootstrap import mean_interval, resampling_weights
from polypaca.stats.headline import caveats, control_note, sentences
from polypaca.stats.summary import (
    Answers,
    Table,
    comparison,
    merge_seeds,
    recipe_pairs,
    scope_list,
    scores,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from polypaca.core.results import CellCost, Scope
    from polypaca.stats.bootstrap import Array

Described = dict[str, Any]  # what the study says of a system


def analyze(
    folder: Path,
    *,
    prompts: Path,
    responses: dict[str, Path],
    verdicts: dict[str, Path],
    gate: dict[str, Path],
    cells: dict[str, Path],
    instructions: Path,
    translations: dict[str, Path],
    budgets: Path,
    study: str,
    train_languages: Sequence[str],
    test_languages: Sequence[str],
    recipes: Sequence[str],
    systems: Sequence[Described],
    generate: dict[str, Any],
    resamples: int,
    confidence: float,
    seed: int,
    threads: int = 1,
    progress: Callable[[float, str], None],
) -> dict[str, Any]:
    """Join answers, verdicts and gate into scores, and scores into the report's numbers."""
    progress(0.0, "joining")
    asked = {
        language: {p.id: p for p in read_jsonl(prompts / f"{language}.jsonl", Prompt)}
        for language in test_languages
    }
    ids = list(dict.fromkeys(i for by_id in asked.values() for i in by_id))
    scored = {
        system: list(_join(system, responses[system], verdicts[system], gate[system], asked))
        for system in responses
    }
    write_jsonl(folder / "scores.jsonl", (row for part in scored.values() for row in part))

    planned = BudgetLedger.model_validate_json((budgets / "ledger.json").read_bytes())
    systems = _with_budgets(systems, planned)
    rows = _rows(systems, recipes)
    table = {row.id: _answers(row, systems, scored, ids) for row in rows}
    rated = any(row.rating is not None for part in scored.values() for row in part)
    weights = resampling_weights(len(ids), resamples, seed)
    scopes = scope_list(train_languages, test_languages)
    progress(0.3, "resampling")
    found = [
        score
        for row in rows
        for score in scores(
            row.id, table[row.id], scopes, weights, confidence=confidence, rated=rated
        )
    ]
    progress(0.6, "comparing")
    compared = list(_comparisons(rows, table, scopes, weights, confidence, rated=rated))
    controls, control_notes = _controls(rows, table, systems, weights, confidence)
    judge = _made_by(verdicts, "judge")
    budgets_of = {system["system"]: system["budgets"] for system in systems}
    ledger = [cell_cost(cell, path, budgets=budgets_of[cell]) for cell, path in cells.items()]
    said = sentences(rows, found, compared, rated=rated)
    seeds = sorted({system["seed"] for system in systems if system["seed"] is not None})
    analysis = Analysis(
        study=study,
        sentence=said[0] if said else "The study has no recipe to compare.",
        notes=[
            *said[1:],
            *control_notes,
            *planned.notes,
            *_dropped(ledger),
            *caveats(len(ids), len(seeds), confidence, found, judge=judge, rated=rated),
        ],
        confidence=confidence,
        rated=rated,
        train_languages=list(train_languages),
        test_languages=list(test_languages),
        language_names={code: names.name(code) for code in {*train_languages, *test_languages}},
        rows=rows,
        scores=found,
        comparisons=[*compared, *controls],
        ledger=ledger,
        budgets=planned,
        data=[_data(code, path, instructions) for code, path in translations.items()],
        signature={
            "polypaca": __version__,
            "judge": judge,
            "gate": _made_by(gate, "detector"),
            "generate": generate,
            "seeds": seeds,
            "intervals": f"percentile bootstrap over prompts, {resamples} resamples, "
            f"{100 * confidence:g} %, seed {seed}; gate shares: Wilson",
            "training": _training_versions(cells),
        },
    )
    write_json(folder / "analysis.json", analysis.model_dump(mode="json"))
    answers = sum(len(part) for part in scored.values())
    return {"rows": len(rows), "answers": answers, "summary": f"{answers} answers scored"}


def _with_budgets(systems: Sequence[Described], planned: BudgetLedger) -> list[Described]:
    """The systems, with the budgets that were found where the study gives an amount instead."""
    found = {cell.cell: cell.budgets for cell in planned.cells}
    return [
        {**system, "budgets": found.get(system["system"])} if system["budgets"] is None else system
        for system in systems
    ]


def _join(
    system: str,
    responses: Path,
    verdicts: Path,
    gate: Path,
    asked: Mapping[str, Mapping[str, Prompt]],
) -> Iterator[ScoredResponse]:
    """Every answer of a system with its verdict and gate."""
    said = {(v.prompt_id, v.language): v for v in read_jsonl(verdicts / "verdicts.jsonl", Verdict)}
    gated = {(g.prompt_id, g.language): g for g in read_jsonl(gate / "gate.jsonl", GateResult)}
    for answer in read_jsonl(responses / "responses.jsonl", Response):
        key = (answer.prompt_id, answer.language)
        verdict, result = said[key], gated[key]
        rating = verdict.rating
        prompt = asked[answer.language][answer.prompt_id]
        yield ScoredResponse(
            system=system,
            prompt_id=answer.prompt_id,
            language=answer.language,
            prompt=prompt.prompt,
            reference=prompt.reference,
            response=answer.response,
            rating=rating,
            explanation=verdict.explanation,
            status=verdict.status,
            detected=result.detected,
            gate=result.gate,
            score=None if rating is None else rating * result.gate,
        )


def _rows(systems: Sequence[Described], recipes: Sequence[str]) -> list[RowLabel]:
    """What a person compares: recipes over their cells and seeds, then controls.

    Models and methods come as the systems do, recipes in the order of the study.
    """
    rows: dict[str, RowLabel] = {}
    for system in systems:
        for recipe in system["recipes"] or [None]:
            row = _row(system, recipe, systems)
            rows.setdefault(row.id, row)
    groups = list(dict.fromkeys((row.model, row.method) for row in rows.values()))
    return sorted(
        rows.values(),
        key=lambda row: (
            row.control,
            groups.index((row.model, row.method)),
            recipes.index(row.recipe) if row.recipe else len(recipes),
        ),
    )


def _row(system: Described, recipe: str | None, systems: Sequence[Described]) -> RowLabel:
    same = [
        other
        for other in systems
        if (other["kind"], other["model"], other["method"])
        == (system["kind"], system["model"], system["method"])
        and (recipe is None or recipe in other["recipes"])
    ]
    base = ".".join(part for part in (system["model"], system["method"], recipe) if part)
    per_seed = {other["seed"]: 0.0 for other in same}
    for other in same:
        per_seed[other["seed"]] += other["budgets"] or 0.0
    kind = system["kind"]
    name = {
        "cell": recipe or "",
        "base": "untuned base",
        "shuffled": f"{recipe}, answers shuffled",
    }[kind]
    return RowLabel(
        id=base if kind == "cell" else f"{base}.{kind}",
        model=system["model"],
        method=system["method"],
        recipe=recipe,
        name=name,
        control=kind != "cell",
        budgets=max(per_seed.values()) if kind == "cell" else None,
        systems=[other["system"] for other in same],
        seeds=sorted({other["seed"] for other in same if other["seed"] is not None}),
    )


def _answers(
    row: RowLabel,
    systems: Sequence[Described],
    scored: Mapping[str, Sequence[ScoredResponse]],
    ids: Sequence[str],
) -> dict[str, Answers]:
    """A row's answers by language, seeds averaged; `monolingual` has a cell for each language."""
    place = {prompt: index for index, prompt in enumerate(ids)}
    parts: dict[str, list[tuple[Array, Array]]] = {}
    described = {system["system"]: system for system in systems}
    for system in row.systems:
        own = described[system]["mixture"] if row.recipe == "monolingual" else None
        by_language: dict[str, tuple[Array, Array]] = {}
        for answer in scored[system]:
            if own and own != f"monolingual-{answer.language}":
                continue
            rating, gate = by_language.setdefault(
                answer.language, (np.full(len(ids), np.nan), np.full(len(ids), np.nan))
            )
            rating[place[answer.prompt_id]] = np.nan if answer.rating is None else answer.rating
            gate[place[answer.prompt_id]] = answer.gate
        for language, arrays in by_language.items():
            parts.setdefault(language, []).append(arrays)
    return {language: merge_seeds(found) for language, found in parts.items()}


def _comparisons(
    rows: Sequence[RowLabel],
    table: Table,
    scopes: Sequence[tuple[Scope, str | None, Sequence[str]]],
    weights: Array,
    confidence: float,
    *,
    rated: bool,
) -> Iterator[Comparison]:
    """Every two recipes of a model and method, in every scope."""
    for a, b in recipe_pairs(rows):
        for scope, language, languages in scopes:
            found = comparison(
                a.id,
                b.id,
                table,
                scope,
                language,
                languages,
                "after" if rated else "gate",
                weights,
                confidence=confidence,
            )
            if found:
                yield found


def _controls(
    rows: Sequence[RowLabel],
    table: Table,
    systems: Sequence[Described],
    weights: Array,
    confidence: float,
) -> tuple[list[Comparison], list[str]]:
    """Rows against their controls before the gate, in the languages they were not tuned on.

    That is what shows whether an answer in the wrong language still answers the question.
    """
    compared, notes = [], []
    tuned = {system["system"]: system["tuned_on"] for system in systems}
    for row in rows:
        if row.control or row.recipe == "monolingual":
            continue
        foreign = [code for code in table[row.id] if code not in tuned[row.systems[0]]]
        for control in rows:
            mine = control.model == row.model and (
                control.recipe is None
                or (control.recipe, control.method) == (row.recipe, row.method)
            )
            if not control.control or not mine:
                continue
            found = comparison(
                row.id,
                control.id,
                table,
                "transfer",
                None,
                foreign,
                "before",
                weights,
                confidence=confidence,
            )
            if found is None:
                continue
            compared.append(found)
            if row.recipe == "english":
                totals = [
                    mean_interval(
                        [table[which][code].rating for code in foreign],
                        weights,
                        confidence,
                        TOTAL_PROMPTS,
                    )
                    for which in (row.id, control.id)
                ]
                notes.append(control_note(row, control, totals[0], totals[1], found.difference))
    return compared, notes


def _data(language: str, translation: Path, instructions: Path) -> LanguageData:
    """What became of a language's rows, from the manifests of prepare and translate."""
    made, prepared = read_manifest(translation), read_manifest(instructions)
    facts, before = (made.facts if made else {}), (prepared.facts if prepared else {})
    if facts.get("engine") is not None:
        return LanguageData(
            language=language,
            **{key: facts[key] for key in ("rows", "source_rows", "engine", "rejected")},
            **{key: facts[key] for key in ("flagged", "retried", "pieces")},
        )
    return LanguageData(
        language=language,
        rows=facts.get("rows", 0),
        source_rows=None,
        engine=None,
        rejected=before.get("rejected_by_kind", {}).get(language, {}),
        flagged=before.get("flagged", {}).get(language, 0),
    )


def _dropped(ledger: Sequence[CellCost]) -> list[str]:
    """Rows that no cell could learn from make its budget smaller than it says."""
    parts = [f"{cell.cell} {cell.dropped_rows}" for cell in ledger if cell.dropped_rows]
    if not parts:
        return []
    return [
        "Rows with no response within max_length were not trained on, so these cells cost less "
        f"than their budgets: {', '.join(parts)}."
    ]


def _made_by(folders: Mapping[str, Path], fact: str) -> str:
    """What judged or gated, from the manifests; several values are all named."""
    found = {
        str(manifest.facts.get(fact))
        for folder in folders.values()
        if (manifest := read_manifest(folder))
    }
    return "; ".join(sorted(found))


def _training_versions(cells: Mapping[str, Path]) -> dict[str, str]:
    """Versions of what trained the cells; a package that changed on the way has several."""
    found: dict[str, set[str]] = {}
    for folder in cells.values():
        manifest = read_manifest(folder)
        for package, version in (manifest.facts.get("versions", {}) if manifest else {}).items():
            found.setdefault(package, set()).add(version)
    return {package: ", ".join(sorted(versions)) for package, versions in found.items()}
