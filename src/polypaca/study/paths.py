"""Paths in a study file are relative to it; everywhere else they are absolute."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

from polypaca.core.settings import USER_PATH, Settings

S = TypeVar("S", bound=Settings)

_PATHS = ("./", "../", "/", "~")
_ELSEWHERE = ("builtin:", "hf:", "http://", "https://")


def with_absolute_paths(raw: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The study as read, changed in place: paths of data and models, from `folder`, made absolute.

    Where data is, what has no prefix (`hf:`, `builtin:`, `https://`) is a path. Models and
    tokenizers without a prefix may be names on the Hub: what exists in `folder` is a path there.
    """
    _resolve_data(raw.get("data"), "instructions", folder)
    if isinstance(raw.get("prompts"), str):
        _resolve_data(raw, "prompts", folder)
    _resolve_data(raw.get("prompts"), "source", folder)
    models = raw.get("models")
    for index, model in enumerate(models if isinstance(models, list) else []):
        if isinstance(model, str):
            raw["models"][index] = _model(model, folder)
        for key in ("source", "tokenizer"):
            _resolve_model(model, key, folder)
    _resolve_systems(raw.get("systems"), folder)
    return raw


def with_absolute_fields(settings: S, folder: Path) -> S:
    """The settings, and those within, with the paths of marked fields made absolute.

    Where a field's default names something packaged, a value with neither a slash nor a suffix does
    so too.
    """
    changed = {}
    for name, field in type(settings).model_fields.items():
        value = getattr(settings, name)
        if USER_PATH not in field.metadata:
            changed[name] = _within(value, folder)
        elif isinstance(value, str) and (not isinstance(field.default, str) or _is_file(value)):
            changed[name] = _absolute(value, folder)
    return settings.model_copy(update=changed)


def _within(value: Any, folder: Path) -> Any:
    if isinstance(value, Settings):
        return with_absolute_fields(value, folder)
    if isinstance(value, dict):
        return {key: _within(item, folder) for key, item in value.items()}
    return [_within(item, folder) for item in value] if isinstance(value, list) else value


def _is_file(value: str) -> bool:
    return "/" in value or bool(Path(value).suffix)


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


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _absolute(value: str, folder: Path) -> str:
    return str((folder / Path(value).expanduser()).resolve())
