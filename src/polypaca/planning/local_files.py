"""What a plan can read without downloads or jobs: rows, tokenizers, prompts, configs."""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polypaca.core.errors import UserError
from polypaca.core.folders import InstructionsFolder, PromptsFolder, TranslationFolder
from polypaca.core.manifest import State, state_of
from polypaca.core.records import Example
from polypaca.planning.assumptions import DATA_SETS, byte_ratio, estimated_tokens, tokenizer_family
from polypaca.study.grid import given_languages, systems, translation_engines
from polypaca.translation.language_check import check_language, language_notice
from polypaca.workflow import layout
from polypaca.workflow.fingerprints import Fingerprints
from polypaca.workflow.tasks import study_tasks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from polypaca.models.templates import Template
    from polypaca.planning.assumptions import DataSet
    from polypaca.study import Study
    from polypaca.study.schema import Model

_SAMPLE = 300  # rows of a language that are looked at to estimate its length
_REMOTE = ("http://", "https://")
_SOURCE = re.compile(rb'"source":\s?"([^"\\]*)"')


@dataclass(frozen=True)
class Rows:
    """The instruction data as far as it is known.

    Attributes:
        shared: number of rows that every language has; None where nothing is known.
        sample: some rows of each language that is read, or that is translated from.
        data_set: what is published of the data, where no row is available.
    """

    shared: int | None
    sample: dict[str, list[Any]] = field(default_factory=dict)
    data_set: DataSet | None = None


def available_rows(study: Study, out: Path, notes: list[str]) -> Rows:
    """The rows of the study's files, or those that `prepare` left in `out`, or what is published.

    Says in `notes` where estimates replace counts.
    """
    from polypaca.data.sources import read_instructions

    source = study.data.instructions
    engines = translation_engines(study)
    codes = given_languages(study)
    if engines:
        notes.append(
            f"{', '.join(engines)}: translated from {codes[0]}, so rows and tokens are "
            "estimated from that until `polypaca mix` has counted them"
        )
    sources: dict[str, list[str]] = {}
    sample: dict[str, list[Any]] = {}
    if source.startswith(("hf:", *_REMOTE)):
        prepared = InstructionsFolder(out / layout.INSTRUCTIONS)
        if not _is_done(study, out, layout.INSTRUCTIONS):
            return _not_downloaded(source, notes)
        counts = prepared.facts.rows
        for code in codes:
            every = max(1, counts.get(code, 0) // _SAMPLE)
            sources[code], sample[code] = _prepared_rows(prepared.file(code), every)
    else:
        for code in codes:
            items = read_instructions(source, code, study.data.on_bad_row, study.data.format).items
            sources[code] = [item.source for item in items]
            sample[code] = list(items[:: max(1, len(items) // _SAMPLE)])
    if study.data.align == "none":
        shared = min(map(len, sources.values()))
    else:
        shared = len(set.intersection(*map(set, sources.values())))
    if not source.startswith("builtin:"):
        notes += _language_notes(sample)
    return Rows(shared, sample)


def _language_notes(sample: Mapping[str, list[Any]]) -> list[str]:
    """What to say of rows that are not in the language that they are given for."""
    from polypaca.langid import detectors

    # The one that needs no download: a plan fetches nothing.
    detector = detectors.load("lid176")
    found = [
        language_notice(check_language(rows, code, detector), code) for code, rows in sample.items()
    ]
    return [f"of {_SAMPLE} rows sampled per language, {note}" for note in found if note]


def translation_notices(study: Study, out: Path) -> list[str]:
    """The notices of `translate` on the rows that were given."""
    codes = given_languages(study)
    folders = (TranslationFolder(out / layout.translation(code)) for code in codes)
    return [notice for folder in folders for notice in folder.facts.notices]


def _is_done(study: Study, out: Path, task_id: str) -> bool:
    task = next(task for task in study_tasks(study, out, Fingerprints()) if task.id == task_id)
    return state_of(out / task_id, task.identity) is State.DONE


def _not_downloaded(source: str, notes: list[str]) -> Rows:
    data_set = DATA_SETS.get(source)
    notes.append(
        "rows and their lengths are assumed (--json has the sources); "
        "they are counted once `polypaca prepare` has downloaded the data"
        if data_set
        else "examples are counted once `polypaca prepare` has downloaded the data"
    )
    return Rows(data_set.rows if data_set else None, data_set=data_set)


def _prepared_rows(path: Path, every: int) -> tuple[list[str], list[Any]]:
    """The sources of all rows, and every `every`-th row: parsing all would take seconds."""
    sources, lines = [], []
    with path.open("rb") as file:
        for number, line in enumerate(file):
            match = _SOURCE.search(line)
            sources.append(match[1].decode() if match else str(json.loads(line)["source"]))
            if number % every == 0:
                lines.append(line)
    return sources, [Example.model_validate_json(line) for line in lines]


class Lengths:
    """Mean tokens of a training row, computed once per tokenizer, template and length."""

    def __init__(self, study: Study, out: Path, rows: Rows) -> None:
        self._study, self._out, self._rows = study, out, rows
        self._tokenizers: dict[str, Any] = {}
        self._means: dict[tuple[str, str, int], dict[str, tuple[float, bool]]] = {}

    def of(self, model: Model, method: str) -> dict[str, tuple[float, bool]]:
        """By training language: the mean, and whether rows were tokenized for it."""
        chosen = self._study.methods[method]
        tokenizer = self._tokenizer(model)
        family = tokenizer_family(model.source)
        key = (tokenizer or f"family {family}", chosen.template, chosen.max_length)
        if key not in self._means:
            means = {
                code: self._mean(code, tokenizer, family, chosen.template, chosen.max_length)
                for code in self._study.languages.train
            }
            self._means[key] = {code: mean for code, mean in means.items() if mean}
        return self._means[key]

    def _mean(
        self, code: str, tokenizer: str | None, family: str | None, name: str, max_length: int
    ) -> tuple[float, bool] | None:
        from polypaca.models.templates import TEMPLATES

        # A chat template comes with the model; until then it is taken to be as long as Alpaca's.
        template = TEMPLATES.get(name, TEMPLATES["alpaca"])
        rows = self._rows.sample.get(code)
        if rows and tokenizer:
            return self._counted(rows, tokenizer, template, max_length), True
        sizes = self._sizes(code)
        if sizes and family:
            mean = estimated_tokens(
                sizes, family=family, language=code, template=template, max_length=max_length
            )
            if mean:
                return mean, False
        if self._rows.sample and tokenizer:  # of the language that is translated from
            source = next(iter(self._rows.sample.values()))
            return self._counted(source, tokenizer, template, max_length), True
        return None

    def _sizes(self, code: str) -> list[tuple[float, float]]:
        """Bytes of rows in a language, each with the share that has an input."""
        data_set = self._rows.data_set
        if data_set:
            ratio = data_set.byte_ratio.get(code)
            return [(size * ratio, data_set.with_input) for size in data_set.sizes] if ratio else []
        if not self._rows.sample:
            return []
        source = code if code in self._rows.sample else next(iter(self._rows.sample))
        ratio = 1.0 if source == code else byte_ratio(source, code)
        return [
            (len(f"{row.instruction}{row.input}{row.output}".encode()) * ratio, bool(row.input))
            for row in self._rows.sample[source]
            if ratio
        ]

    def _counted(
        self, rows: Sequence[Any], tokenizer: str, template: Template, max_length: int
    ) -> float:
        texts = [template.render(row.instruction, row.input) + row.output for row in rows]
        lengths = [
            min(max_length, len(encoding.ids) + 1)  # and the end-of-sequence token
            for encoding in self._tokenizers[tokenizer].encode_batch(texts)
        ]
        return sum(lengths) / len(lengths)

    def _tokenizer(self, model: Model) -> str | None:
        """The hash of the model's tokenizer file, loaded, if one is at hand and rows are too."""
        if not self._rows.sample:
            return None
        file = tokenizer_file(model, self._out)
        if file is None:
            return None
        from tokenizers import Tokenizer

        content = file.read_bytes()
        name = hashlib.sha256(content).hexdigest()
        if name not in self._tokenizers:
            try:
                self._tokenizers[name] = Tokenizer.from_buffer(content)
            except Exception as error:  # the library raises bare exceptions
                raise UserError(
                    f"{file} cannot be read as a tokenizer: {error}. Delete it, or give another"
                ) from error
        return name


def tokenizer_file(model: Model, out: Path) -> Path | None:
    """A model's tokenizer.json: as prepared, in its folder, or in the Hub's cache."""
    source = model.tokenizer or model.source
    folder = Path(source or "")
    files = [
        out / layout.base(model.name) / "tokenizer.json",
        folder / "tokenizer.json",
        folder,
    ]
    files += _hub_cache(source, model.revision, "tokenizer.json")
    return next((file for file in files if file.is_file()), None)


def _hub_cache(model: str | None, revision: str | None, name: str) -> list[Path]:
    """Where the Hub's library keeps a file (huggingface.co/docs/huggingface_hub, Manage cache)."""
    if not model or not re.fullmatch(r"[\w.-]+/[\w.-]+", model):
        return []
    home = os.environ.get("HF_HOME") or "~/.cache/huggingface"
    cache = os.environ.get("HF_HUB_CACHE") or f"{home}/hub"
    folder = Path(cache).expanduser() / f"models--{model.replace('/', '--')}"
    try:
        commit = (folder / "refs" / (revision or "main")).read_text(encoding="utf-8").strip()
    except OSError:
        commit = revision or ""
    return [folder / "snapshots" / commit / name] if commit else []


def available_config(model: Model, out: Path) -> dict[str, Any] | None:
    """A model's Transformers config: from the study, local files or the catalog of shapes."""
    from polypaca.models.catalog import SHAPES

    if model.config is not None:
        return dict(model.config)
    source = Path(model.source or "")
    files = [out / layout.base(model.name) / "config.json", source / "config.json"]
    files += _hub_cache(model.source, model.revision, "config.json")
    for file in files:
        if file.is_file():
            return dict(json.loads(file.read_text(encoding="utf-8")))
    known = SHAPES.get(model.source or "")
    return dict(known) if known else None


def response_count(study: Study, out: Path, notes: list[str]) -> int | None:
    """Number of responses of all systems together; None where the prompts are not known."""
    count = _prompt_counts(study, out, notes)
    if count is None:
        return None
    return sum(count(code) for system in systems(study) for code in system.languages)


def _prompt_counts(study: Study, out: Path, notes: list[str]) -> Callable[[str], int] | None:
    from polypaca.data.sources import read_prompts

    prompts = study.prompts
    if not prompts.source.startswith(_REMOTE):
        read = read_prompts(prompts.source, study.languages.test, prompts.count, prompts.on_bad_row)
        return lambda code: len(read.prompts[code])
    folder = PromptsFolder(out / layout.PROMPTS)
    if _is_done(study, out, layout.PROMPTS):
        return lambda code: folder.file(code).read_bytes().count(b"\n")
    if prompts.count is None:
        notes.append("responses are counted once `polypaca prepare` has downloaded the prompts")
        return None
    limit = prompts.count
    return lambda code: limit
