"""What a notebook or a script needs of polypaca, a function a task; `import polypaca` offers it.

Files, models and servers are those of the command line, and so are errors and caches.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from polypaca.core.records import Verdict
    from polypaca.core.results import Analysis, Interval
    from polypaca.langid.gate import GateDecision
    from polypaca.planning.estimates import Estimate
    from polypaca.stats.agree import Agreement
    from polypaca.stats.compare import Ranking
    from polypaca.study import Study
    from polypaca.translation.texts import Translation
    from polypaca.workflow.events import Event

_RESAMPLES, _SEED = 5000, 1  # as a study has them by default


def load_study(path: str | Path, *changes: str) -> Study:
    """A study file, with changes such as `"methods.lora.rank=16"` applied.

    Raises:
        StudyError: with every problem of the file and the changes.
    """
    from polypaca.study import load_study as load

    return load(Path(path), changes)


def plan(study: Study, out: str | Path | None = None, *, gpu: str | None = None) -> Estimate:
    """What a study will cost: cells, budgets, tokens, FLOPs and, for a `gpu` by name, hours.

    Raises:
        UserError: if there is no such GPU, or the files at hand cannot be used.
    """
    from polypaca.planning.estimate import estimate
    from polypaca.planning.hardware import find_gpu

    return estimate(study, _out(study, out), find_gpu(gpu) if gpu else None)


def run(
    study: Study,
    out: str | Path | None = None,
    *,
    jobs: int | None = None,
    spend: bool = False,
    show: Callable[[Event], None] | None = None,
) -> Analysis:
    """Run a study from its data to its report; what is done already is not done again.

    Args:
        study: what to run.
        out: its output folder; `out/<name of the study>` if None.
        jobs: at once; one a core, or one on a GPU, if None.
        spend: whether served models may be asked, which may cost money.
        show: told of every event; None shows progress in lines on standard output.

    Raises:
        UserError: if something that the study needs is not there, or it would spend money.
        StageError: if a stage failed; says which and where its log is.
    """
    from rich.console import Console

    from polypaca.core.errors import StageError, UserError
    from polypaca.core.results import Analysis
    from polypaca.planning import preflight
    from polypaca.workflow import layout
    from polypaca.workflow.display import display
    from polypaca.workflow.run import execute, make_plan
    from polypaca.workflow.shared_cache import ensure_cache

    folder = _out(study, out)
    planned, fingerprints = make_plan(study, folder, processes=jobs)
    if planned.reasons:
        ensure_cache(folder)
        pending = [task for task in planned.tasks if task.id in planned.reasons]
        preflight.check(study, pending, folder)
        if (spending := preflight.paid_requests(pending)) and not spend:
            raise UserError(
                f"{' and '.join(spending)}, which may cost money: pass spend=True to allow it"
            )
        with display(planned, Console()) as shown:
            outcome = execute(study, planned, fingerprints, show or shown)
        if outcome.failed:
            task, why = next(iter(outcome.failed.items()))
            error = UserError if outcome.exit_code == 2 else StageError
            raise error(f"{len(outcome.failed)} tasks failed, the first: {task}: {why}")
    text = (folder / layout.ANALYSIS / "analysis.json").read_bytes()
    return Analysis.model_validate_json(text)


def detect(text: str, *, detector: str = "lid176") -> list[tuple[str, float]]:
    """The languages that a text may be in, with their probabilities, the likeliest five.

    Raises:
        UserError: if there is no such detector, or it cannot be loaded.
    """
    from polypaca.langid import detectors

    return detectors.load(detector).predict(text, 5)


def gate(
    response: str, language: str, *, prompt: str | None = None, detector: str = "lid176"
) -> GateDecision:
    """Whether a response is in the language of its prompt, and what decided (1 or 0, and why).

    Passages of the `prompt` that the response repeats do not count.

    Raises:
        UserError: if there is no such detector, or it cannot be loaded.
        ValueError: if `language` is no language code.
    """
    from polypaca.langid import detectors
    from polypaca.langid.gate import check_response

    return check_response(response, language, detectors.load(detector), prompt=prompt)


def judge(
    prompts: Sequence[str],
    responses: Sequence[str],
    language: str,
    *,
    references: Sequence[str] | None = None,
    kind: str = "reference",
    **settings: Any,
) -> list[Verdict]:
    """What a judge says of responses to prompts in one language: a verdict each, in order.

    Args:
        prompts: what was asked.
        responses: what was answered.
        language: code of the prompts' language.
        references: good answers, which the judge `reference` compares with.
        kind: `reference`, `llm`, or a judge of an installed package.
        settings: those of the judge in a study file, such as `model=` and `base_url=`.

    Raises:
        UserError: if there is no such judge, or it lacks what it needs.
    """
    from polypaca.core.cache import cache_folder
    from polypaca.judging import judges
    from polypaca.judging.contract import Item
    from polypaca.langid.settings import GateSettings

    chosen = _settings("judge", judges.JUDGES.row(kind).settings, kind, settings)
    items = [
        Item("", str(number), language, prompt, response, {language: good} if good else {})
        for number, (prompt, response, good) in enumerate(
            zip(prompts, responses, references or [""] * len(prompts), strict=True)
        )
    ]
    loaded = judges.load(chosen, gate=GateSettings(), cache=cache_folder() / "llm")
    return list(loaded.judge(items))


def score(ratings: Sequence[float], gates: Sequence[int], *, highest: float = 3.0) -> Interval:
    """The total of rating x gate over prompts, as for 50 prompts, with its 95 % interval.

    Args:
        ratings: of the responses to different prompts.
        gates: 1 where the response is in the prompt's language, else 0.
        highest: the rating that there is none above; 3 makes totals of 0..150, as the paper's
            (arXiv 2309.08958, section 4).

    Raises:
        ValueError: if there are not as many ratings as gates, or none.
    """
    import numpy as np

    from polypaca.core.results import TOTAL_PROMPTS
    from polypaca.stats.intervals import Sample, intervals, resampling

    scores = [rating * passed for rating, passed in zip(ratings, gates, strict=True)]
    drawn = resampling(len(scores), _RESAMPLES, 0.95, _SEED)
    sample = Sample(np.array(scores)[:, None], 0.0, highest, TOTAL_PROMPTS)
    return intervals([sample], drawn)[0]


def compare(file: str | Path) -> Ranking:
    """Which recipe leads where, from a file of scores with a model, language and recipe each.

    Raises:
        DataError: if the file cannot be read.
        UserError: naming every row that is wrong.
    """
    from polypaca.stats.compare import rank

    return rank(Path(file))


def agree(file: str | Path) -> Agreement:
    """How well a judge agrees with human raters, from a file of both their ratings.

    Raises:
        DataError: if the file cannot be read.
        UserError: naming every row that is wrong.
    """
    from polypaca.stats.agree import agree as agreement

    return agreement(Path(file))


def translate(
    texts: Sequence[str], source: str, target: str, *, engine: str, **settings: Any
) -> list[Translation]:
    """Translations of texts, of which code, addresses and numbers stay as they are.

    Args:
        texts: what to translate.
        source: code of their language.
        target: code of the language to translate into.
        engine: `apertium`, `bergamot`, `ctranslate2`, `llm`, or one of an installed package.
        settings: those of the engine in a study file, such as `model=`.

    Raises:
        UserError: if there is no such engine, or its model, program or package is not there.
    """
    from polypaca.core.cache import cache_folder
    from polypaca.translation import engines
    from polypaca.translation.texts import translate_texts

    chosen = _settings("engine", engines.ENGINES.row(engine).settings, engine, settings)
    made = engines.load(chosen, source, target, cache=cache_folder())
    try:
        return translate_texts(texts, made, source)
    finally:
        made.close()


def _out(study: Study, out: str | Path | None) -> Path:
    return Path(out) if out else Path("out") / study.name


def _settings(what: str, kind: Any, name: str, given: dict[str, Any]) -> Any:
    """The settings of a row, or what is wrong with them in words."""
    from pydantic import ValidationError

    from polypaca.core.errors import UserError

    try:
        return kind.model_validate({"kind": name, **given})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or what
        raise UserError(f"{what} {name}: {where}: {first['msg']}") from error
