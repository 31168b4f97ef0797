"""The tasks from answers to the report: what every system answers, and what is made of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from polypaca.core.settings import RUN_ONLY, marked_fields
from polypaca.judging.llm import LlmJudgeSettings
from polypaca.llm.served import Served
from polypaca.study.grid import (
    cells,
    in_test_codes,
    judge_name,
    judges,
    pairs,
    recipes,
    systems,
)
from polypaca.study.system_entries import GivenSystem, ModelSystem, ServedSystem
from polypaca.workflow.steps import Task

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from polypaca.core.settings import Choice
    from polypaca.llm.served import ServedModel
    from polypaca.study.grid import Pair, System
    from polypaca.study.schema import Study

    Pins = Callable[[str, Sequence[str]], dict[str, Any]]

SPENDING = Path("spending.jsonl")  # what served models were asked, in the study's output folder

_DECODING = (
    "max_new_tokens",
    "num_beams",
    "no_repeat_ngram_size",
    "temperature",
    "top_p",
    "top_k",
    "repetition_penalty",
    "length_penalty",
)


def evaluation_tasks(study: Study, made: Mapping[str, Task], pins: Pins) -> Iterator[Task]:
    """The tasks of `generate` and after, given those that were `made` for the stages before.

    `made` is looked up while the caller adds what this yields to it. `pins(source, languages)`
    tells what a user's files hold.
    """
    for system in systems(study):
        yield _responses(study, system, made, pins)
    for system in systems(study):
        yield from _scores(study, system, made, pins)
    for pair in pairs(study):
        yield _pair(study, pair, made, pins)
    yield _analysis(study, made)
    yield Task("report", "report", {}, {"analysis": made["analysis"]}, group="analyze")


def _responses(study: Study, system: System, made: Mapping[str, Task], pins: Pins) -> Task:
    folder, prompts = f"systems/{system.id}/responses", made["data/prompts"]
    asked = {"system": system.id, "languages": list(system.languages)}
    entry = system.entry
    if system.shuffled:
        source = made[f"systems/{system.shuffled.id}/responses"]
        settings = {"system": system.id, "seed": 1}
        return Task(folder, "shuffle", settings, {"responses": source}, group="shuffle")
    if isinstance(entry, GivenSystem):
        return Task(
            folder,
            "answers",
            asked,
            {"prompts": prompts},
            pins=pins(entry.answers, system.languages),
            options={"source": entry.answers},
            group="answers",
        )
    inputs = {"prompts": prompts}
    if system.cell:
        inputs["checkpoint"] = made[f"cells/{system.cell.id}/train"]
    if isinstance(entry, ServedSystem):
        return _asked(study, folder, asked, inputs, entry.served, entry.template)
    template = _template(study, system)
    if study.generate.served and not entry:
        return _asked(study, folder, asked, inputs, study.generate.served, template)
    return Task(
        folder,
        "generate",
        {
            **asked,
            "decoding": study.generate.model_dump(include=set(_DECODING)),
            **study.generate.model_dump(
                include={"seed", "precision", "max_prompt_tokens", "on_long_prompt"}
            ),
            "template": template,
        },
        {**inputs, "base": made[f"bases/{system.model}"]},
        options=study.generate.model_dump(include={"batch_size", "batch_tokens", "missing"}),
        group=f"generate-{system.model}",
        all_cores=True,
    )


def _asked(
    study: Study,
    folder: str,
    asked: dict[str, Any],
    inputs: dict[str, Task],
    served: ServedModel,
    template: str | None,
) -> Task:
    how, options = _apart(served.model_dump(exclude={"temperature"}))
    # What servers know of decoding; there are no beams.
    decoding = study.generate.model_dump(include={"max_new_tokens", "temperature", "top_p", "seed"})
    if served.temperature != "generate":
        decoding["temperature"] = served.temperature
    how["model"] = how["model"].replace("{system}", asked["system"])
    return Task(
        folder,
        "ask",
        {
            **asked,
            "served": how,
            "template": template,
            **decoding,
        },
        inputs,
        options={"how": options, "account": SPENDING, "missing": study.generate.missing},
        group="ask",
    )


def _template(study: Study, system: System) -> str:
    """The words that a system is asked in."""
    if isinstance(system.entry, ModelSystem):
        return system.entry.template
    # An untuned base is asked in the words that the study's first method trains with.
    first = next(iter(study.methods.values()))
    return (study.methods[system.cell.method] if system.cell else first).template


def _scores(study: Study, system: System, made: Mapping[str, Task], pins: Pins) -> Iterator[Task]:
    folder = f"systems/{system.id}"
    inputs = {"responses": made[f"{folder}/responses"], "prompts": made["data/prompts"]}
    for name, judge in judges(study).items():
        settings, pinned, options = _judge(study, judge, pins)
        yield Task(
            f"{folder}/verdicts{'.' if name else ''}{name}",
            "judge",
            {"judge": settings},
            inputs,
            pins=pinned,
            options=options,
            group="judge",
        )
    gate, pinned, where = _gate(study, pins)
    yield Task(f"{folder}/gate", "gate", gate, inputs, pins=pinned, options=where, group="gate")


def _pair(study: Study, pair: Pair, made: Mapping[str, Task], pins: Pins) -> Task:
    judge = study.judge
    assert isinstance(judge, LlmJudgeSettings)
    settings, pinned, options = _judge(study, judge.for_pairs, pins)
    answering = sorted({system for both in pair.systems.values() for system in both})
    responses = {f"responses/{name}": made[f"systems/{name}/responses"] for name in answering}
    return Task(
        f"pairs/{pair.id}",
        "pairs",
        {"judge": settings, "systems": {code: list(both) for code, both in pair.systems.items()}},
        {"prompts": made["data/prompts"], **responses},
        pins=pinned,
        options=options,
        group="judge",
    )


def _judge(
    study: Study, judge: Choice, pins: Pins
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """What of a judge's section affects verdicts, what its files hold, and what affects nothing."""
    settings, how = _apart(judge.model_dump(exclude={"name", "pairwise", "missing"}))
    if judge.kind == "reference":
        # This judge looks for the answer's language; the gate's detector is the one to ask.
        detector, pinned, where = _gate(study, pins)
        return {**settings, **detector}, pinned, {"how": where}
    if not isinstance(judge, LlmJudgeSettings):
        return settings, {}, {}
    prompt, pinned, where = _prompt(judge.prompt, pins)
    del settings["prompt"]
    options = {"how": {**how, **where}, "account": SPENDING, "missing": judge.missing}
    return {**settings, **prompt}, pinned, options


def _prompt(prompt: str, pins: Pins) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """A judge's prompt by its name, or what its file holds and where it is."""
    if Path(prompt).is_absolute():
        return {}, {"prompt": pins(prompt, ("",))}, {"prompt": prompt}
    return {"prompt": prompt}, {}, {}


def _gate(study: Study, pins: Pins) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """The detector, what its file holds if it is one of the user's, and where that is."""
    gate = study.gate
    if gate.model is None:
        return {"detector": gate.detector}, {}, {}
    model = str(gate.model)
    return {"detector": gate.detector}, {"model": pins(model, ("",))}, {"model": model}


def _apart(settings: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Settings that affect answers, and those that do not."""
    options = marked_fields(Served, RUN_ONLY)
    return (
        {key: value for key, value in settings.items() if key not in options},
        {key: value for key, value in settings.items() if key in options},
    )


def _analysis(study: Study, made: Mapping[str, Task]) -> Task:
    names = [judge_name(judge) for judge in judges(study).values()]
    inputs = {
        "prompts": made["data/prompts"],
        "instructions": made["data/instructions"],
        "budgets": made["mixtures/ledger"],
    }
    for code in study.languages.train:
        inputs[f"translations/{code}"] = made[f"translations/{code}"]
    for system in systems(study):
        for part in ("responses", "verdicts", "gate"):
            inputs[f"{part}/{system.id}"] = made[f"systems/{system.id}/{part}"]
        for name in names[1:]:
            inputs[f"opinions/{name}/{system.id}"] = made[f"systems/{system.id}/verdicts.{name}"]
    for pair in pairs(study):
        inputs[f"pairs/{pair.id}"] = made[f"pairs/{pair.id}"]
    for cell in cells(study):
        inputs[f"cells/{cell.id}"] = made[f"cells/{cell.id}/train"]
    settings = {
        **study.analyze.model_dump(),
        "study": study.name,
        "train_languages": in_test_codes(study, study.languages.train),
        "test_languages": study.languages.test,
        "recipes": list(recipes(study)),
        "systems": [_describe(study, system) for system in systems(study)],
        "generate": study.generate.model_dump(
            exclude={"batch_size", "batch_tokens", "served", "missing"}
        ),
        "judges": names,
        "compared": {pair.id: list(pair.rows) for pair in pairs(study)},
    }
    return Task("analysis", "analyze", settings, inputs, group="analyze")


def _describe(study: Study, system: System) -> dict[str, Any]:
    """What the analysis must know of a system."""
    cell = system.cell or system.shuffled
    recipes = [system.recipe] if system.recipe else list(cell.recipes) if cell else []
    return {
        "system": system.id,
        "name": system.entry.name if system.entry else None,
        "model": system.model,
        "method": cell.method if cell else None,
        "recipes": recipes,
        "mixture": cell.mixture.name if cell else None,
        "languages": list(system.languages),
        "seed": cell.seed if cell else None,
        "budgets": cell.mixture.budgets if cell else None,
        "tuned_on": in_test_codes(study, cell.mixture.languages) if cell else [],
        "kind": system.kind,
    }
