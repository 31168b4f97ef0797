"""Small studies for whole runs, and `polypaca` as a user types it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

# What makes an animal's name a question and an answer of a language.
WORDS = {
    "en": ("Name the animal number", "The animal is the old cat of the house number", "."),
    "es": ("Nombra el animal número", "El animal es el gato viejo de la casa número", "."),
}
PROMPTS = 24
MODEL = """\
models:
  - name: tiny
    tokenizer: TOKENIZER
    config: {model_type: gpt_neox, hidden_size: 32, num_hidden_layers: 1, num_attention_heads: 2,
             intermediate_size: 64}
"""


def study_text(text: str, tokenizer: Path) -> str:
    """The study with one tiny model of this tokenizer where it says MODELS."""
    return text.replace("MODELS\n", MODEL).replace("TOKENIZER", str(tokenizer))


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def write_data(folder: Path) -> None:
    """28 instructions and 24 prompts in both languages, and given answers to the prompts."""
    for code, (ask, say, end) in WORDS.items():
        texts = [(n, f"{ask} {n}{end}", f"{say} {n}{end}") for n in range(100 + PROMPTS)]
        write_rows(
            folder / f"data.{code}.jsonl",
            [
                {"id": n, "instruction": asked, "input": "", "output": said}
                for n, asked, said in texts[:28]
            ],
        )
        write_rows(
            folder / f"prompts.{code}.jsonl",
            [{"id": str(n), "prompt": asked, "reference": said} for n, asked, said in texts[100:]],
        )
        write_rows(
            folder / f"given.{code}.jsonl",
            [{"id": str(n), "response": said} for n, _, said in texts[100:]],
        )


def command(study: Path, *arguments: str, verb: str = "run", out: Path | None = None) -> list[str]:
    folder = str(out or study.parent / "out")
    return [sys.executable, "-m", "polypaca.cli", verb, str(study), "--out", folder, *arguments]


def polypaca(
    study: Path,
    *arguments: str,
    verb: str = "run",
    out: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(study, *arguments, verb=verb, out=out),
        capture_output=True, text=True, timeout=500, check=False, env=env,
    )  # fmt: skip


def copied(study: Path, folder: Path, *left_out: str) -> Path:
    """The study file's folder, `out` and all, in another place, without some parts of `out`."""

    def ignore(where: str, names: list[str]) -> list[str]:
        return [name for name in names if name in left_out and Path(where).name == "out"]

    shutil.copytree(study.parent, folder, dirs_exist_ok=True, ignore=ignore)
    return folder / study.name


def made(said: str, kind: str = "done") -> set[str]:
    """The tasks that a run says it did, or found unchanged."""
    lines = [line.split() for line in said.splitlines()]
    return {words[2].rstrip(":") for words in lines if len(words) > 2 and words[1] == kind}


def wait_until(condition: Callable[[], object], seconds: float = 240) -> None:
    """Look ten times a second until it holds; after so long the test has failed."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.1)


def workers(out: Path) -> list[str]:
    """Command lines of processes that work on a folder."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if entry.name.isdigit() and f"{out}/.run" in line:
            found.append(line)
    return found
