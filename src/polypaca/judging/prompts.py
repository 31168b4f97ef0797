"""A judge's prompts: packaged ones, and files of the user's own.

A `.txt` file is a prompt. A `.yaml` file has `prompt`, or `prompts` by the language of what is
judged, and for ratings `scale`, the lowest and the highest:

    scale: [1, 5]
    prompts:
      default: Rate ... ${instruction} ... ${response}
      es: Evalúa ... ${instruction} ... ${response}
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from polypaca.core import languages
from polypaca.core.errors import DataError, UserError
from polypaca.core.files import sha256_text

RATING_SLOTS = ("instruction", "response")
PAIR_SLOTS = ("instruction", "response_a", "response_b")
OPTIONAL_SLOTS = ("language", "reference")
PAPER_SCALE = (1.0, 3.0)

_SLOT = re.compile(r"\$\{(\w+)\}")
_DEFAULT = "default"


@dataclass(frozen=True)
class JudgePrompt:
    """What a judge is asked.

    Attributes:
        name: of the packaged prompt, or of the file, without its ending.
        texts: templates with `${slots}` by language code, and `default`.
        scale: the lowest and the highest rating.
    """

    name: str
    texts: Mapping[str, str]
    scale: tuple[float, float] = PAPER_SCALE

    def text(self, language: str) -> str:
        """The template for what is asked in that language."""
        return self.texts.get(language, self.texts[_DEFAULT])

    @property
    def signature(self) -> str:
        """The name and 12 hex digits of what the prompt says, in all languages."""
        content = self.texts[_DEFAULT]
        if len(self.texts) > 1:
            content = "\0".join(f"{code}\0{text}" for code, text in sorted(self.texts.items()))
        scale = "" if self.scale == PAPER_SCALE else f"|scale:{self.scale[0]:g}..{self.scale[1]:g}"
        return f"{self.name}-{sha256_text(content)[:12]}{scale}"

    def needs(self, slot: str) -> bool:
        """Whether any of the templates has that slot."""
        return any(slot in _SLOT.findall(text) for text in self.texts.values())


def load_prompt(name: str, slots: tuple[str, ...] = RATING_SLOTS) -> JudgePrompt:
    """A packaged prompt by its name, or a file by its path.

    A text's last line end is not part of the prompt.

    Args:
        name: `paper`, `pairwise`, or the path of a `.txt` or `.yaml` file.
        slots: those that the prompt must have; none leaves its slots unchecked.

    Raises:
        UserError: if there is no such prompt.
        DataError: if the file cannot be used; with its line or field.
    """
    packaged = resources.files("polypaca.judging") / "prompts" / f"{name}.txt"
    is_packaged = "/" not in name and packaged.is_file()
    try:
        text = packaged.read_text("utf-8") if is_packaged else Path(name).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"cannot read the judge's prompt {name!r} ({error}); use `paper`, or the path of a "
            "UTF-8 .txt or .yaml file"
        ) from error
    if Path(name).suffix.lower() in (".yaml", ".yml"):
        return _from_yaml(name, text, slots)
    _check(text, slots, path=name)
    return JudgePrompt(Path(name).stem, {_DEFAULT: text.removesuffix("\n")})


def load_pair_prompt(name: str = "default") -> JudgePrompt:
    """The packaged prompt for pairs, `default`, or a file by its path; raises as `load_prompt`."""
    return load_prompt("pairwise" if name == "default" else name, PAIR_SLOTS)


def fill(template: str, values: Mapping[str, str]) -> str:
    """Put values into a prompt's slots, in one pass: slots within the values stay as they are."""
    return _SLOT.sub(lambda slot: values.get(slot[1], slot[0]), template)


def _from_yaml(path: str, text: str, slots: tuple[str, ...]) -> JudgePrompt:
    raw = _read_yaml(path, text)
    rates = "response_a" not in slots
    known = ("prompt", "prompts", "scale") if rates else ("prompt", "prompts")
    for key in raw:
        if key not in known:
            raise DataError(
                "unknown key", path=path, line=_line(raw, key), field=str(key),
                hint=f"known keys: {', '.join(known)}",
            )  # fmt: skip
    if ("prompt" in raw) == ("prompts" in raw):
        raise DataError("needs exactly one of `prompt` and `prompts`", path=path)
    texts = {_DEFAULT: raw["prompt"]} if "prompt" in raw else raw["prompts"]
    if not isinstance(texts, Mapping) or _DEFAULT not in texts:
        raise DataError(
            "must map language codes to prompts, with `default` for all other languages", path=path,
            line=_line(raw, "prompts"), field="prompts",
        )  # fmt: skip
    checked = {}
    for code, template in texts.items():
        field = "prompt" if "prompt" in raw else f"prompts.{code}"
        line = _line(raw, "prompt") if "prompt" in raw else _line(texts, code)
        if code != _DEFAULT and not (isinstance(code, str) and languages.is_language(code)):
            raise DataError("is not a language code", path=path, line=line, field=field)
        if not isinstance(template, str):
            raise DataError("must be a string", path=path, line=line, field=field)
        _check(template, slots, path=path, first=line, field=field)
        checked[str(code)] = str(template).removesuffix("\n")
    return JudgePrompt(Path(path).stem, checked, _scale(raw, path))


def _read_yaml(path: str, text: str) -> Mapping[Any, Any]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        raw = YAML(typ="rt").load(text)
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        raise DataError(f"is not valid YAML: {error.problem}", path=path, line=line) from error
    except (YAMLError, ValueError) as error:
        raise DataError(f"is not valid YAML: {' '.join(str(error).split())}", path=path) from error
    if not isinstance(raw, Mapping):
        raise DataError(
            "must be a mapping with `prompt` or `prompts` and, optionally, `scale`", path=path
        )
    return raw


def _scale(raw: Mapping[Any, Any], path: str) -> tuple[float, float]:
    if "scale" not in raw:
        return PAPER_SCALE
    scale = raw["scale"]
    ends = list(scale) if isinstance(scale, list) else []
    are_numbers = all(isinstance(end, int | float) and not isinstance(end, bool) for end in ends)
    # A verdict's rating is at least 0, and an infinite end is no end.
    if len(ends) != 2 or not are_numbers or not 0 <= ends[0] < ends[1] < float("inf"):
        raise DataError(
            "must be the lowest rating, at least 0, and the highest, such as [1, 5]",
            path=path, line=_line(raw, "scale"), field="scale",
        )  # fmt: skip
    return float(ends[0]), float(ends[1])


def _check(
    template: str,
    slots: tuple[str, ...],
    *,
    path: str,
    first: int | None = 1,
    field: str | None = None,
) -> None:
    """Check a template's slots; `first` is the line that it begins in."""
    missing = [slot for slot in slots if slot not in _SLOT.findall(template)]
    if missing:
        names = " and ".join(f"${{{slot}}}" for slot in missing)
        raise DataError(f"the judge's prompt lacks {names}", path=path, field=field)
    for slot in _SLOT.finditer(template) if slots else ():
        if slot[1] not in (*slots, *OPTIONAL_SLOTS):
            line = first + template.count("\n", 0, slot.start()) if first and not field else first
            known = ", ".join(f"${{{each}}}" for each in (*slots, *OPTIONAL_SLOTS))
            raise DataError(
                f"the judge's prompt has the unknown slot {slot[0]}", path=path, line=line,
                field=field, hint=f"known slots: {known}",
            )  # fmt: skip


def _line(raw: Any, key: Any) -> int | None:
    try:
        return int(raw.lc.key(key)[0]) + 1
    except (AttributeError, KeyError, TypeError):
        return None
