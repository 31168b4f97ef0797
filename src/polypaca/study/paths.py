"""Paths in a study file are relative to it; everywhere else they are absolute."""

from __future__ import annotations

from pathlib import Path
from typing import Any

_PATHS = ("./", "../", "/", "~")
_ELSEWHERE = ("hf:", "http://", "https://")
_MODEL_IN_FOLDER = ("bergamot", "ctranslate2")  # engines whose `model` is a folder


def with_absolute_paths(raw: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The study as read, changed in place: its paths, relative to `folder`, made absolute."""
    _resolve(raw.get("data"), "instructions", folder)
    for engine in _engines(raw.get("data")):
        if engine.get("kind") in _MODEL_IN_FOLDER and isinstance(engine.get("model"), str):
            engine["model"] = _absolute(engine["model"], folder)
    if isinstance(raw.get("prompts"), str):
        _resolve(raw, "prompts", folder)
    _resolve(raw.get("prompts"), "source", folder)
    models = raw.get("models")
    for index, model in enumerate(models if isinstance(models, list) else []):
        if isinstance(model, str) and _is_path(model):
            raw["models"][index] = _absolute(model, folder)
        for key in ("source", "tokenizer"):
            _resolve(model, key, folder)
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
        if isinstance(system, dict) and "url" not in system:
            for key in ("answers", "model"):
                _resolve(system, key, folder)


def _resolve(section: Any, key: str, folder: Path) -> None:
    value = section.get(key) if isinstance(section, dict) else None
    if isinstance(value, str) and _is_path(value):
        section[key] = _absolute(value, folder)


def _resolve_prompt(section: Any, folder: Path) -> None:
    """A judge's prompt is a file by its suffix, else the name of a packaged one."""
    prompt = section.get("prompt") if isinstance(section, dict) else None
    if isinstance(prompt, str) and prompt.endswith((".txt", ".yaml", ".yml")):
        section["prompt"] = _absolute(prompt, folder)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _is_path(value: str) -> bool:
    if value.startswith(_ELSEWHERE):
        return False
    return value.startswith(_PATHS) or "{language}" in value


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
