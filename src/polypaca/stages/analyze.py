"""analyze: scores, intervals and differences, from verdicts and gate.

    analysis/   analysis.json, scores.jsonl (every answer with its rating, gate and score)

The score exists only here: score = rating x gate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from polypaca import __version__
from polypaca.core import languages as names
from polypaca.core.errors import StageError
from polypaca.core.files import read_jsonl, sha256_text, write_json, write_jsonl
from polypaca.core.ledgers import cell_cost
from polypaca.core.manifest import read_manifest
from polypaca.core.records import GateResult, PairVerdict, Prompt, Response, Verdict
from polypaca.core.results import (
    TOTAL_PROMPTS,
    Analysis,
    BudgetLedger,
    LanguageData,
    ScoredResponse,
)
from polypaca.stats.answers import table_of
from polypaca.stats.caveats import caveats
from polypaca.stats.comparisons import compare, recipe_pairs, system_pairs
from polypaca.stats.controls import control_notes, control_pairs
from polypaca.stats.headline import sentences
from polypaca.stats.intervals import BOOTSTRAP, GAFFKE, resampling
from polypaca.stats.opinions import agreement
from polypaca.stats.pairs import preferences
from polypaca.stats.proportions import CLOPPER_PEARSON, WILSON
from polypaca.stats.rows import Described, rows_of
from polypaca.stats.summary import scope_list, scores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from polypaca.core.results import CellCost, RowLabel
    from polypaca.stats.comparisons import Compared
    from polypaca.stats.pairs import Gates

Found = TypeVar("Found", Verdict, GateResult)


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
    margin: float | None = None,
    judges: Sequence[str] = (),
    opinions: Mapping[str, Path] | None = None,
    pairs: Mapping[str, Path] | None = None,
    compared: Mapping[str, Sequence[str]] | None = None,
    threads: int = 1,
    progress: Callable[[float, str], None],
) -> dict[str, Any]:
    """Join answers, verdicts and gate into scores, and scores into the report's numbers.

    The judge's scale, lowest and highest rating, is that of the verdicts' manifests; scores lie in
    0..highest, since the gate makes them 0. `margin` is in points of the total. `opinions` are the
    verdicts of all `judges` but the first, by judge and system; `pairs` what the judge preferred,
    by pair, and `compared` the two rows of each.

    Raises:
        StageError: if an answer has no verdict or gate, or a rating is beyond the scale.
    """
    progress(0.0, "joining")
    scale = _scale(verdicts.values())
    asked = {
        language: {p.id: p for p in read_jsonl(prompts / f"{language}.jsonl", Prompt)}
        for language in test_languages
    }
    ids = list(dict.fromkeys(i for by_id in asked.values() for i in by_id))
    scored = {
        system: list(_join(system, responses[system], verdicts[system], gate[system], asked, scale))
        for system in responses
    }
    write_jsonl(folder / "scores.jsonl", (row for part in scored.values() for row in part))

    planned = BudgetLedger.model_validate_json((budgets / "ledger.json").read_bytes())
    systems = _with_budgets(systems, planned)
    rows = rows_of(systems, recipes)
    table = table_of(rows, systems, scored, ids)
    rated = any(row.rating is not None for part in scored.values() for row in part)
    drawn = resampling(len(ids), resamples, confidence, seed)
    scopes = scope_list(train_languages, test_languages)
    progress(0.4, "intervals")
    found = scores(table, scopes, drawn, top=scale[1], rated=rated)
    progress(0.7, "comparing")
    measure: Compared = "after" if rated else "gate"
    asked_for = [*recipe_pairs(rows, scopes, measure), *system_pairs(rows, scopes, measure)]
    if rated:
        asked_for += control_pairs(rows, table, systems)
    differences = compare(asked_for, table, drawn, top=scale[1], margin=margin, seed=seed)
    preferred = preferences(
        _by_rows(pairs or {}, compared or {}), _gates(scored), ids, scopes, drawn, seed=seed
    )
    judge = _made_by(verdicts, "judge")
    budgets_of = {system["system"]: system["budgets"] for system in systems}
    ledger = [cell_cost(cell, path, budgets=budgets_of[cell]) for cell, path in cells.items()]
    top = TOTAL_PROMPTS * scale[1]
    unseen = [code for code in test_languages if code not in train_languages]
    said = sentences(rows, found, differences, rated=rated, top=top, unseen=unseen)
    seeds = sorted({system["seed"] for system in systems if system["seed"] is not None})
    data = [_data(code, path, instructions) for code, path in translations.items()]
    analysis = Analysis(
        study=study,
        sentence=said[0] if said else "The study has no recipe to compare.",
        notes=[
            *said[1:],
            *control_notes(rows, table, differences),
            *planned.notes,
            *(f"{seen[0].upper()}{seen[1:]}." for one in data for seen in one.notices),
            *_dropped(ledger),
            *caveats(
                len(ids),
                _fewest_seeds(rows, seeds),
                confidence,
                found,
                differences,
                judge=judge,
                rated=rated,
                top=top,
            ),
        ],
        confidence=confidence,
        top=top,
        rated=rated,
        train_languages=list(train_languages),
        test_languages=list(test_languages),
        language_names={code: names.name(code) for code in {*train_languages, *test_languages}},
        rows=rows,
        scores=found,
        comparisons=differences,
        preferences=preferred,
        judges=agreement(
            _opinions(judges, scored, opinions or {}, scale),
            test_languages,
            confidence=confidence,
            resamples=resamples,
            seed=seed,
        )
        if opinions
        else [],
        ledger=ledger,
        budgets=planned,
        data=data,
        data_notes=_data_notes(instructions),
        signature={
            "polypaca": __version__,
            "judge": judge,
            "gate": _made_by(gate, "detector"),
            "generate": generate,
            "seeds": seeds,
            "intervals": f"{BOOTSTRAP} over prompts, {resamples} resamples, "
            f"{100 * confidence:g} %, seed {seed}; {GAFFKE} where few prompts differ; shares: "
            f"{WILSON}, {CLOPPER_PEARSON} near 0 and 1",
            "tests": "paired permutation of prompts, Holm"
            + ("" if margin is None else f"; margin of {margin:g} points"),
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
    scale: tuple[float, float],
) -> Iterator[ScoredResponse]:
    """Every answer of a system with its verdict and gate."""
    said = {(v.prompt_id, v.language): v for v in read_jsonl(verdicts / "verdicts.jsonl", Verdict)}
    gated = {(g.prompt_id, g.language): g for g in read_jsonl(gate / "gate.jsonl", GateResult)}
    for answer in read_jsonl(responses / "responses.jsonl", Response):
        verdict, result = _on(answer, said, verdicts), _on(answer, gated, gate)
        # What failed has no score, whatever else its record says.
        rating = None if verdict.status == "failed" else verdict.rating
        if rating is not None and not scale[0] <= rating <= scale[1]:
            raise StageError(
                f"{verdicts}: prompt {answer.prompt_id} in {answer.language} is rated {rating:g}, "
                f"beyond the scale of {scale[0]:g} to {scale[1]:g}; give the judge's own scale"
            )
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
            reason=result.reason,
            line_gate=result.line_gate,
            word_gate=result.word_gate,
            score=None if rating is None else rating * result.gate,
        )


def _on(answer: Response, found: Mapping[tuple[str, str], Found], folder: Path) -> Found:
    """What was found of this very text, and not of what was answered before."""
    record = found.get((answer.prompt_id, answer.language))
    if record is None or record.response_sha256 != sha256_text(answer.response):
        raise StageError(
            f"{folder}: nothing on the answer to prompt {answer.prompt_id} in {answer.language} "
            f"by {answer.system}; remove that folder and run again"
        )
    return record


def _by_rows(
    pairs: Mapping[str, Path], compared: Mapping[str, Sequence[str]]
) -> dict[tuple[str, str], list[list[PairVerdict]]]:
    """The verdicts on pairs of rows, a list for each training seed."""
    found: dict[tuple[str, str], list[list[PairVerdict]]] = {}
    for name, folder in pairs.items():
        a, b = compared[name]
        verdicts = list(read_jsonl(folder / "pairs.jsonl", PairVerdict))
        found.setdefault((a, b), []).append(verdicts)
    return found


def _gates(scored: Mapping[str, Sequence[ScoredResponse]]) -> Gates:
    return {
        (answer.system, answer.language, answer.prompt_id): answer.gate
        for part in scored.values()
        for answer in part
    }


def _opinions(
    judges: Sequence[str],
    scored: Mapping[str, Sequence[ScoredResponse]],
    opinions: Mapping[str, Path],
    scale: tuple[float, float],
) -> dict[str, dict[tuple[str, str, str], float]]:
    """What each judge said of every answer, each on its own scale brought to 0..1."""
    low, high = scale
    found = {
        judges[0]: {
            (answer.system, answer.language, answer.prompt_id): (answer.rating - low) / (high - low)
            for part in scored.values()
            for answer in part
            if answer.rating is not None
        }
    }
    folders: dict[str, list[Path]] = {}
    for name, folder in opinions.items():
        folders.setdefault(name.split("/")[0], []).append(folder)
    for judge, own in folders.items():
        low, high = _scale(own)
        found[judge] = {
            (verdict.system, verdict.language, verdict.prompt_id): (verdict.rating - low)
            / (high - low)
            for folder in own
            for verdict in read_jsonl(folder / "verdicts.jsonl", Verdict)
            if verdict.rating is not None and verdict.status != "failed"
        }
    return found


def _scale(verdicts: Iterable[Path]) -> tuple[float, float]:
    """The judge's scale, as its verdicts' manifests say; the paper's where none says."""
    for folder in verdicts:
        manifest = read_manifest(folder)
        if manifest and (found := manifest.facts.get("scale")):
            return float(found[0]), float(found[1])
    return 1.0, 3.0


def _fewest_seeds(rows: Sequence[RowLabel], seeds: Sequence[int]) -> int:
    """The least number of seeds of a recipe: what the claims rest on."""
    return min((len(row.seeds) for row in rows if row.recipe), default=len(seeds))


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
        notices=facts.get("notices", []),
    )


def _data_notes(instructions: Path) -> list[str]:
    """How given rows were matched, and what was read otherwise than it stands, or not at all."""
    prepared = read_manifest(instructions)
    facts = prepared.facts if prepared else {}
    languages = len(facts.get("rows", {}))
    shared = f"{facts.get('shared_sources', 0):,} are in all {languages} languages."
    notes = []
    if facts.get("matched_by") == "id":
        notes.append(f"Rows were matched by their ids: {shared}")
    elif facts.get("matched_by") == "row number":
        notes.append(
            "Rows have no ids and were matched by their place: row n of one file is taken for the "
            f"translation of row n of another; {shared}"
        )
    for key, what in (
        ("no_input", "inputs such as <noinput> were read as none"),
        ("further_turns", "conversations were cut behind their first exchange"),
    ):
        found = facts.get(key, 0)
        count = sum(found.values()) if isinstance(found, dict) else found
        if count:
            notes.append(f"{count:,} {what}.")
    columns = dict.fromkeys(
        column for part in facts.get("columns_not_read", {}).values() for column in part
    )
    if columns:
        notes.append(f"Columns of the data that were not read: {', '.join(columns)}.")
    return notes


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
