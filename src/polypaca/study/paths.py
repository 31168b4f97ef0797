"""Paths in a study file are relative to it; everywhere else they are absolute."""

from __future__ import annotations

from pathlib import Path
from typing import Any

_PATHS = ("./", "../", "/", "~")
_ELSEWHERE = ("builtin:", "hf:", "http://", "https://")
_MODEL_IN_FOLDER = ("bergamot", "ctranslate2")  # engines whose `model` is a folder


def with_absolute_paths(raw: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The study as read, changed in place: its paths, relative to `folder`, made absolute.

    Where data is, what has no prefix (`hf:`, `builtin:`, `https://`) is a path. Models and
    tokenizers without a prefix may be names on the Hub: what exists in `folder` is a path there.
    """
    _resolve_data(raw.get("data"), "instructions", folder)
    for engine in _engines(raw.get("data")):
        if engine.get("kind") in _MODEL_IN_FOLDER and isinstance(engine.get("model"), str):
            engine["model"] = _absolute(engine["model"], folder)
    if isinstance(raw.get("prompts"), str):
        _resolve_data(raw, "prompts", folder)
    _resolve_data(raw.get("prompts"), "source", folder)
    models = raw.get("models")
    for index, model in enumerate(models if isinstance(models, list) else []):
        if isinstance(model, str):
            raw["models"][index] = _model(model, folder)
        for key in ("source", "tokenizer"):
            _resolve_model(model, key, folder)
    for judge in [*_list(raw.get("judge")), *_list(raw.get("other_judges"))]:
        _resolve_prompt(judge, folder)
        _resolve_prompt(judge.get("pairwise") if isinstance(judge, dict) else None, folder)
    _resolve_systems(raw.get("systems"), folder)
    gate = raw.get("gate")
    if isinstance(gate, dict) and isinstance(gate.get("model"), str):
        gate["model"] = _absolute(gate["model"], folder)
    return raw


def _resolve_systems(systems: Any, folder: Path) -> None:
    for system in _list(systems):
        # What a server calls its model may look like a path, and is none of ours.
        if isinstance(system, dict) and "url" not in system and "served" not in system:
            _resolve_data(system, "answers", folder)
            _resolve_model(system, "model", folder)


def _resolve_data(section: Any, key: str, folder: Path) -> None:
    value = section.get(key) if isinstance(section, dict) else None
    if isinstance(value, str) and value.strip() and not value.startswith(_ELSEWHERE):
        section[key] = _absolute(value, folder)


def _resolve_model(section: Any, key: str, folder: Path) -> None:
    value = section.get(key) if isinstance(section, dict) else None
    if isinstance(value, str):
        section[key] = _model(value, folder)


def _model(value: str, folder: Path) -> str:
    """A model's folder as an absolute path; a name of the Hub as it is."""
    if not value.strip() or value.startswith(_ELSEWHERE):
        return value
    is_path = value.startswith(_PATHS) or (folder / value).exists()
    return _absolute(value, folder) if is_path else value


def _resolve_prompt(section: Any, folder: Path) -> None:
    """A judge's prompt is a file by its suffix, else the name of a packaged one."""
    prompt = section.get("prompt") if isinstance(section, dict) else None
    if isinstance(prompt, str) and prompt.endswith((".txt", ".yaml", ".yml")):
        section["prompt"] = _absolute(prompt, folder)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _absolute(value: str, folder: Path) -> str:
    return str((folder / Path(value).expanduser()).resolve())


def _engines(data: Any) -> list[dict[str, Any]]:
    """The translation engines of a study's `data` that are written out."""
    translate = data.get("translate") if isinstance(data, dict) else None
    if not isinstance(translate, dict):
        return []
    by_language = translate.get("languages")
    found = [translate.get("engine")]
    if isinstance(by_language, dict):
        found += by_language.values()
    return [engine for engine in found if isinstance(engine, dict)]
