"""What the language gate gets wrong, on texts of known language and on real answers, and its speed.

    python benchmarks/langid.py [--data ../shared/data] [--detectors lid176 lingua] [--limit 100]
        [--other da=danish.txt] [--only accuracy|speed]

prints the tables of docs/language-gate.md. A false reject of a language is a text in it that the
gate fails; a false accept is a text in another language that it passes. `--other` adds texts, one
a line, in languages that the data folder lacks.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
import unicodedata
from collections import Counter
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from polypaca.core import languages
from polypaca.langid import detectors
from polypaca.langid.confusion import line_gate, word_gate
from polypaca.langid.gate import check_response, most_probable_among

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from polypaca.langid.contract import Detector

FLORES = ["bg", "bn", "cs", "de", "en", "es", "fi", "fr", "hi", "nb", "ru", "zh"]
MT_BENCH = ["bg", "bn", "cs", "de", "en", "es", "fi", "fr", "hi"]
PROMPTS = ["bg", "bn", "cs", "en", "es", "fi", "fr", "no", "ru", "zh"]
ENDS = ".!?。।\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--detectors", nargs="+", default=["lid176", "lingua"])
    parser.add_argument("--limit", type=int, help="texts a language, for a trial")
    parser.add_argument("--other", nargs="*", default=[], metavar="CODE=FILE")
    parser.add_argument("--only", choices=["accuracy", "speed"])
    arguments = parser.parse_args()
    loaded = {name: detectors.load(name) for name in arguments.detectors}
    print(f"detectors: {', '.join(detector.signature for detector in loaded.values())}")
    if arguments.only != "speed":
        remembered: dict[str, Detector] = {
            name: Remembering(detector) for name, detector in loaded.items()
        }
        accuracy(arguments.data, remembered, arguments.limit, arguments.other)
    if arguments.only != "accuracy":
        speed(arguments.data, loaded, arguments.limit)


class Remembering:
    """A detector that is asked once for each text."""

    def __init__(self, detector: Detector) -> None:
        self.name, self.signature = detector.name, detector.signature
        self._scores = lru_cache(maxsize=None)(detector.predict)

    def predict(self, text: str, k: int) -> list[tuple[str, float]]:
        """As the detector says."""
        return self._scores(text, k)


def accuracy(data: Path, loaded: dict[str, Detector], limit: int | None, other: list[str]) -> None:
    flores = {code: flores_sentences(data, code)[:limit] for code in FLORES}
    replies = {code: mt_bench_replies(data, code)[:limit] for code in MT_BENCH}
    strangers = {code: read_lines(Path(file))[:limit] for code, _, file in map(split_pair, other)}
    sets = {
        "FLORES sentences": flores,
        "FLORES, first five words": beginnings(flores, 5),
        "MT-Bench replies": replies,
        "MT-Bench replies, first sentence": {
            code: [first_sentence(text) for text in texts] for code, texts in replies.items()
        },
    }
    for title, texts in sets.items():
        supported_languages(title, texts, loaded)
    in_other_forms(flores, loaded)
    if strangers:
        neighbours({**flores, **strangers}, list(strangers), loaded)
    lengths(flores, loaded)
    spliced(replies, loaded)
    prompts(data, loaded)
    lines_of_known_language(replies, loaded)
    real_answers(data, loaded, limit)


FORMS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "decomposed": lambda text: unicodedata.normalize("NFD", text),
    "in capitals": str.upper,
    "in lower case": str.lower,
    "as a heading": str.title,
    "soft hyphens": "\u00ad".join,
}


def in_other_forms(flores: dict[str, list[str]], loaded: dict[str, Detector]) -> None:
    """The same sentences, encoded and set in other ways."""
    name, detector = next(iter(loaded.items()))
    rows = []
    for code, sample in flores.items():
        row = [code]
        for form in FORMS.values():
            passed = sum(check_response(form(text), code, detector).gate for text in sample)
            row.append(percent(passed, len(sample)))
        rows.append(row)
    table(f"FLORES sentences in other forms: passed %, {name}", ["language", *FORMS], rows)


def supported_languages(
    title: str, texts: dict[str, list[str]], loaded: dict[str, Detector]
) -> None:
    head = ["language", "texts"]
    for name in loaded:
        head += [f"{name}: false reject %", "false accept %", "undetermined %"]
    rows = []
    for code, sample in texts.items():
        row = [code, str(len(sample))]
        for detector in loaded.values():
            found = [check_response(text, code, detector) for text in sample]
            others = [text for other in texts if other != code for text in texts[other]]
            accepted = sum(check_response(text, code, detector).gate for text in others)
            undetermined = sum(gate.reason == "undetermined" for gate in found)
            rejected = len(found) - sum(gate.gate for gate in found)
            row += [
                percent(rejected, len(found)),
                percent(accepted, len(others)),
                percent(undetermined, len(found)),
            ]
        rows.append(row)
    table(title, head, rows)


def neighbours(
    texts: dict[str, list[str]], strangers: list[str], loaded: dict[str, Detector]
) -> None:
    """Texts of languages that the rules for neighbours are about, from both sides."""
    pairs = [
        *(("da", "nb"), ("mk", "bg"), ("ja", "zh"), ("sv", "nb"), ("hr", "sr"), ("sr", "hr")),
        *(("id", "ms"), ("ms", "id"), ("sr", "mk"), ("mk", "sr"), ("sl", "hr"), ("hr", "sl")),
        *(("cs", "sk"), ("sk", "cs"), ("uk", "ru"), ("gl", "pt"), ("gl", "es")),
    ]
    rows: list[list[str]] = []
    seen: set[tuple[str, str]] = set()
    for stranger, code in pairs:
        if stranger not in texts:
            continue
        sides = [(stranger, code), (stranger, stranger), *([(code, code)] if code in texts else [])]
        for truth, asked in sides:
            if (truth, asked) in seen:
                continue
            seen.add((truth, asked))
            for size, sample in (
                (0, texts[truth]),
                (5, beginnings({truth: texts[truth]}, 5)[truth]),
            ):
                row = [
                    f"{truth} as {asked}",
                    f"first {size} words" if size else "whole",
                    str(len(sample)),
                ]
                for detector in loaded.values():
                    gates = [check_response(text, asked, detector) for text in sample]
                    alone = sum(
                        top(text, detector) == languages.canonical(asked) for text in sample
                    )
                    by_language = sum(g.gate for g in gates if g.reason == "language")
                    undetermined = sum(g.reason == "undetermined" for g in gates)
                    row += [
                        percent(value, len(sample)) for value in (alone, by_language, undetermined)
                    ]
                rows.append(row)
    head = ["text", "", "texts"]
    for name in loaded:
        head += [f"{name} alone: accepted %", "by the gate %", "undetermined %"]
    table("Neighbours", head, rows)


def lengths(flores: dict[str, list[str]], loaded: dict[str, Detector]) -> None:
    for name, detector in loaded.items():
        rows = []
        for size in (1, 2, 3, 4, 5, 8):
            row = [str(size)]
            for code, texts in beginnings(flores, size).items():
                alone = sum(top(text, detector) != languages.canonical(code) for text in texts)
                rejected = len(texts) - sum(
                    check_response(text, code, detector).gate for text in texts
                )
                row.append(f"{percent(alone, len(texts))} / {percent(rejected, len(texts))}")
            rows.append(row)
        title = f"FLORES, first words: false reject %, {name} alone / gate"
        table(title, ["words", *flores], rows)


def spliced(replies: dict[str, list[str]], loaded: dict[str, Detector]) -> None:
    """So much of a reply in the language, and English for the rest of 600 characters."""
    rows = []
    for code, sample in replies.items():
        if code == "en":
            continue
        row = [code]
        for detector in loaded.values():
            for share in (0.25, 0.4, 0.5, 0.6, 0.75):
                cut = int(600 * share)
                mixed = [
                    one[:cut] + "\n" + english[: 600 - cut]
                    for one, english in zip(sample, replies["en"], strict=True)
                    if len(one) >= 600 and len(english) >= 600
                ]
                passed = sum(check_response(text, code, detector).gate for text in mixed)
                row.append(percent(passed, len(mixed)))
        rows.append(row)
    head = ["language"]
    for name in loaded:
        head += [f"{name}: 25 % of it", "40 %", "50 %", "60 %", "75 %"]
    table("MT-Bench replies, the rest English: passed %", head, rows)


def prompts(data: Path, loaded: dict[str, Detector]) -> None:
    rows = []
    for code in PROMPTS:
        lines = read_lines(data / "prompts" / f"test_{code}.jsonl")
        texts = [json.loads(line)["prompt"] for line in lines]
        row = [code]
        for detector in loaded.values():
            row.append(str(sum(top(text, detector) == code for text in texts)))
            row.append(str(sum(check_response(text, code, detector).gate for text in texts)))
        rows.append(row)
    head = ["language"]
    for name in loaded:
        head += [f"{name} alone", "gate"]
    table("The paper's 50 prompts: recognised", head, rows)


def lines_of_known_language(replies: dict[str, list[str]], loaded: dict[str, Detector]) -> None:
    rows = []
    for code, texts in replies.items():
        row = [code]
        for detector in loaded.values():
            row.append(rate(line_gate(text, code, detector) for text in texts))
        row.append(rate(word_gate(text, code) for text in texts))
        rows.append(row)
    head = ["language", *(f"by line, {name}" for name in loaded), "by word"]
    table("MT-Bench replies of known language: pass rates %", head, rows)


def real_answers(data: Path, loaded: dict[str, Detector], limit: int | None) -> None:
    csv.field_size_limit(2**31 - 1)
    with (data / "outputs" / "language_confusion_gpt-3.5-turbo.csv").open(encoding="utf-8") as file:
        answers = list(csv.DictReader(file))[:limit]
    groups: dict[tuple[str, str], list[str]] = {}
    for answer in answers:
        groups.setdefault((answer["task"], answer["language"]), []).append(answer["completion"])
    rows = []
    for (task, code), texts in sorted(groups.items()):
        row = [task, code, str(len(texts))]
        gates = {
            name: [check_response(t, code, found) for t in texts] for name, found in loaded.items()
        }
        row += [percent(sum(g.gate for g in found), len(texts)) for found in gates.values()]
        same = sum(len({found[n].gate for found in gates.values()}) == 1 for n in range(len(texts)))
        first = next(iter(loaded))
        undetermined = sum(g.reason == "undetermined" for g in gates[first])
        by_line = [line_gate(text, code, loaded[first]) for text in texts]
        by_word = [word_gate(t, code) for t, line in zip(texts, by_line, strict=True) if line == 1]
        row += [
            percent(same, len(texts)),
            percent(undetermined, len(texts)),
            rate(by_line),
            rate(by_word),
        ]
        rows.append(row)
    names = [f"{name}: passed %" for name in loaded]
    head = [
        "task",
        "language",
        "answers",
        *names,
        "same gate %",
        "undetermined %",
        "by line %",
        "by word %",
    ]
    table("Real answers (GPT-3.5 turbo, the language asked for)", head, rows)
    reasons = Counter(
        check_response(a["completion"], a["language"], loaded[first]).reason for a in answers
    )
    print(f"reasons with {first}: {dict(reasons)}\n")


def speed(data: Path, loaded: dict[str, Detector], limit: int | None) -> None:
    """Replies repeated to 1,000 characters, with their prompts, in a second of processor time."""
    texts = []
    for code in MT_BENCH:
        for row in mt_bench_rows(data, code)[:limit]:
            reply = row["output"]
            text = (reply * (1000 // max(len(reply), 1) + 1))[:1000]
            texts.append((code, text, row["instruction"]))
    rows = []
    for name, detector in loaded.items():
        sample = texts if name != "lingua" else texts[::10]
        rows += [[name, what, f"{rate:,.0f}"] for what, rate in speeds(sample, detector)]
    table("Answers of 1,000 characters a second", ["detector", "what", "a second"], rows)


def speeds(sample: list[tuple[str, str, str]], detector: Detector) -> Iterator[tuple[str, float]]:
    def gate(code: str, text: str, prompt: str) -> object:
        return check_response(text, code, detector, prompt=prompt)

    def alone(code: str, text: str, prompt: str) -> object:
        return detector.predict(text, 1)

    def among(code: str, text: str, prompt: str) -> object:
        return most_probable_among(text, MT_BENCH, detector)

    def ranking(code: str, text: str, prompt: str) -> object:
        return detector.predict(text, 10_000)

    def by_line(code: str, text: str, prompt: str) -> object:
        return line_gate(text, code, detector)

    for what, job in (
        ("gate", gate),
        ("detector alone", alone),
        ("best of nine languages", among),
        ("all languages ranked", ranking),
        ("by line", by_line),
    ):
        taken = []
        for _ in range(7):
            begun = time.process_time()
            for code, text, prompt in sample:
                job(code, text, prompt)
            taken.append(time.process_time() - begun)
        yield what, len(sample) / min(taken)


def top(text: str, detector: Detector) -> str | None:
    """What the detector alone says of a text as it is."""
    ranked = detector.predict(text, 1)
    return ranked[0][0] if ranked else None


def beginnings(texts: dict[str, list[str]], words: int) -> dict[str, list[str]]:
    """The first words; in Chinese and Japanese twice as many characters."""
    return {
        code: [
            text[: 2 * words] if code in ("zh", "ja") else " ".join(text.split()[:words])
            for text in sample
        ]
        for code, sample in texts.items()
    }


def first_sentence(text: str) -> str:
    text = text.lstrip()
    ends = [text.find(end) for end in ENDS if end in text]
    return text[: min(ends) + 1] if ends else text


def flores_sentences(data: Path, code: str) -> list[str]:
    files = [data / "flores" / f"flores-{split}.{code}" for split in ("dev", "test")]
    return [line for file in files for line in read_lines(file)]


def mt_bench_replies(data: Path, code: str) -> list[str]:
    return [row["output"] for row in mt_bench_rows(data, code)]


def mt_bench_rows(data: Path, code: str) -> list[dict[str, str]]:
    lines = read_lines(data / "instructions" / f"mt_bench.{code}.jsonl")
    return [json.loads(line) for line in lines]


def read_lines(file: Path) -> list[str]:
    lines = file.read_text(encoding="utf-8").split("\n")
    return [line.strip() for line in lines if line.strip()]


def split_pair(text: str) -> tuple[str, str, str]:
    return text.partition("=")


def percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f}" if whole else "-"


def rate(gates: Iterable[int | None]) -> str:
    told = [gate for gate in gates if gate is not None]
    return f"{percent(sum(told), len(told))} of {len(told)}" if told else "-"


def table(title: str, head: list[str], rows: list[list[str]]) -> None:
    print(f"\n### {title}\n")
    print(f"| {' | '.join(head)} |")
    print(f"|{'---|' * len(head)}")
    for row in rows:
        print(f"| {' | '.join(row)} |")
    print(flush=True)


if __name__ == "__main__":
    main()
