"""Where instruction data and test prompts come from: the package, the Hub, a URL or files."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from polypaca import builtin
from polypaca.core.cache import cache_folder
from polypaca.data.instructions import (
    LoadedInstructions,
    instructions_from_rows,
    load_instructions,
)
from polypaca.data.prompts import LoadedPrompts, limit_prompts, load_prompts, read_prompt_files
from polypaca.data.remote import download, load_hub_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from polypaca.core.readers import OnBadRow


def read_instructions(
    source: str,
    language: str,
    on_bad_row: OnBadRow,
    format: str = "auto",
    sha256: Mapping[str, str] | None = None,
    progress: Callable[[float, str], None] = lambda fraction, text: None,
) -> LoadedInstructions:
    """One language's instructions from the package, the Hub, a URL or a file."""
    if source.startswith("builtin:"):
        rows = builtin.instruction_rows(source.removeprefix("builtin:"), language)
        return instructions_from_rows(rows, language, on_bad_row=on_bad_row, label=source)
    if source.startswith("hf:"):
        name = source.removeprefix("hf:")
        return instructions_from_rows(
            load_hub_rows(name, language),
            language,
            on_bad_row=on_bad_row,
            label=source.replace("{language}", language),
            format=format,
        )
    if source.startswith(("http://", "https://")):
        url = source.replace("{language}", language)
        file = download(url, (sha256 or {})[language], cache_folder(), progress)
        return load_instructions(
            file, language, on_bad_row=on_bad_row, label=file.name, format=format
        )
    return load_instructions(source, language, on_bad_row=on_bad_row, format=format)


def read_prompts(
    source: str,
    languages: Sequence[str],
    count: int | None,
    on_bad_row: OnBadRow,
    sha256: Mapping[str, str] | None = None,
    progress: Callable[[float, str], None] = lambda fraction, text: None,
) -> LoadedPrompts:
    """The test prompts from the package, files or a URL, the first `count` ids if that is given."""
    if source.startswith("builtin:"):
        name = source.removeprefix("builtin:")
        prompts = {code: list(builtin.test_prompts(name, code)) for code in languages}
        loaded = LoadedPrompts(prompts, [], [], [])
    elif source.startswith(("http://", "https://")):
        files = {}
        for code in languages:
            url = source.replace("{language}", code)
            files[code] = download(url, (sha256 or {})[code], cache_folder(), progress)
        loaded = read_prompt_files(files, on_bad_row=on_bad_row)
    else:
        loaded = load_prompts(source, languages, on_bad_row=on_bad_row)
    if count is None:
        return loaded
    return replace(loaded, prompts=limit_prompts(loaded.prompts, count))
