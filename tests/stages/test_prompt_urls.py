"""Test prompts behind a URL: what a study must say of them, and how they come."""

from __future__ import annotations

import functools
import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from polypaca.core.errors import DataError, StudyError
from polypaca.core.files import read_jsonl
from polypaca.core.records import Prompt
from polypaca.core.work import Context
from polypaca.planning import preflight
from polypaca.stages.prepare import PreparePrompts
from polypaca.study import load_study
from polypaca.workflow.fingerprints import Fingerprints
from polypaca.workflow.tasks import study_tasks

ROWS = {
    code: [{"id": f"p{n}", "prompt": f"{code} {n}?"} for n in range(3)] for code in ("en", "es")
}
STUDY = """\
name: small
languages: {{train: [en, es], test: [en, es]}}
data: {{instructions: "builtin:tiny"}}
prompts: {{source: "{source}", count: 50, sha256: {{{sha256}}}}}
models: [builtin:tiny-neox]
methods: {{lora: {{}}}}
recipes: [monolingual, multilingual]
"""


class Handler(SimpleHTTPRequestHandler):
    """Serves a folder and counts what is asked of it."""

    asked: list[str] = []  # noqa: RUF012

    def log_message(self, format: str, *args: Any) -> None:
        self.asked.append(self.path)


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("POLYPACA_CACHE", str(tmp_path / "cache"))
    site = tmp_path / "site"
    site.mkdir()
    for code, rows in ROWS.items():
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (site / f"test_{code}.jsonl").write_text(text)
    Handler.asked.clear()
    web = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(site)))
    thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{web.server_port}/test_{{language}}.jsonl"
    web.shutdown()
    thread.join()
    web.server_close()


def hashes(folder: Path) -> dict[str, str]:
    return {
        code: hashlib.sha256((folder / f"test_{code}.jsonl").read_bytes()).hexdigest()
        for code in ROWS
    }


def prepare(folder: Path, url: str, sha256: dict[str, str]) -> dict[str, Any]:
    folder.mkdir()
    work = PreparePrompts(
        source=url, sha256=sha256, languages=list(ROWS), count=2, on_bad_row="error"
    )
    return work.run(Context(folder)).recorded()


def test_prompts_are_downloaded_once_and_checked(tmp_path: Path, url: str) -> None:
    sha256 = hashes(tmp_path / "site")
    facts = prepare(tmp_path / "out", url, sha256)
    assert facts["prompts"] == {"en": 2, "es": 2}
    assert [p.prompt for p in read_jsonl(tmp_path / "out" / "es.jsonl", Prompt)] == [
        "es 0?",
        "es 1?",
    ]
    prepare(tmp_path / "again", url, sha256)
    assert len(Handler.asked) == 2
    with pytest.raises(DataError, match=r"test_en\.jsonl: the file's SHA-256 does not match"):
        prepare(tmp_path / "wrong", url, dict.fromkeys(ROWS, "0" * 64))


def study_file(tmp_path: Path, source: str, sha256: dict[str, str]) -> Path:
    path = tmp_path / "study.yaml"
    pairs = ", ".join(f"{code}: '{digest}'" for code, digest in sha256.items())
    path.write_text(STUDY.format(source=source, sha256=pairs))
    return path


def test_a_study_names_the_hash_of_every_file(tmp_path: Path, url: str) -> None:
    sha256 = hashes(tmp_path / "site")
    with pytest.raises(StudyError, match=r"prompts\.sha256: .*it is missing for es"):
        load_study(study_file(tmp_path, url, {"en": sha256["en"]}))
    with pytest.raises(StudyError, match=r"prompts\.source: must contain \{language\}"):
        load_study(study_file(tmp_path, url.replace("{language}", "en"), sha256))
    with pytest.raises(StudyError, match=r"prompts\.source: .*from the Hub"):
        load_study(study_file(tmp_path, "hf:x-{{language}}", sha256))


def test_other_hashes_are_other_prompts_and_nothing_is_fetched_early(
    tmp_path: Path, url: str
) -> None:
    sha256 = hashes(tmp_path / "site")
    identities = []
    for given in (sha256, {**sha256, "es": "0" * 64}):
        study = load_study(study_file(tmp_path, url, given))
        tasks = study_tasks(study, tmp_path / "out", Fingerprints())
        preflight.check(study, tasks)
        (task,) = (t for t in tasks if t.id == "data/prompts")
        identities.append(task.identity)
        assert isinstance(task.work, PreparePrompts)
        assert task.work.sha256 == given
    assert identities[0] != identities[1]
    assert Handler.asked == []
