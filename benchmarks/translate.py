"""What keeping a text's structure costs: python benchmarks/translate.py LINES.txt [sentences].

With `--bergamot FOLDER ROWS.json [ROWS]` the rows of an instruction file, such as Alpaca's, go
through Bergamot's real model in FOLDER (English into the language of its name), in shards as the
stage sends them, with one process; beside it `fxtranslate` alone on the very same sentences.

Takes a file of English lines, such as FLORES (minutes for the default 200 sentences), and prints
how fast each engine translates their sentences when it is called directly, and through
`translate_texts`. Medians of runs that take turns, on one thread. CTranslate2 gets a model of
OPUS-MT's base shape with random weights: as fast as a real one, but what it says is noise. So only
lines are taken whose translation is checked for nothing that noise would get wrong.
"""

from __future__ import annotations

import io
import json
import statistics
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from polypaca.core.errors import UserError
from polypaca.core.records import Example
from polypaca.translation import engines
from polypaca.translation.apertium import ApertiumSettings
from polypaca.translation.bergamot import Bergamot, BergamotSettings
from polypaca.translation.contract import EngineContext
from polypaca.translation.ctranslate2 import CTranslate2Settings
from polypaca.translation.sentences import split_sentences
from polypaca.translation.shards import translate_rows
from polypaca.translation.structure import is_special
from polypaca.translation.texts import translate_texts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from polypaca.translation.contract import Engine, Untranslated

RUNS = 3
SENTENCES = 200
ROWS = 120
VOCABULARY = 32_000
# Noise does not end by itself; translations of FLORES have about 30 tokens.
TOKENS = 32


def opus_base(folder: Path, lines: list[str]) -> Path:
    """Write a model of the shape of Helsinki-NLP/opus-mt-en-es, converted for CTranslate2."""
    import sentencepiece
    import torch
    from ctranslate2.converters import TransformersConverter
    from transformers import MarianConfig, MarianMTModel, MarianTokenizer

    original = folder / "transformers"
    original.mkdir()
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_writer=model,
        vocab_size=8000,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    for name in ("source.spm", "target.spm"):
        (original / name).write_bytes(model.getvalue())
    spm = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    tokens = ["</s>", "<unk>", *(spm.id_to_piece(n) for n in range(3, len(spm)))]
    tokens += [f"▁word{n}" for n in range(len(tokens), VOCABULARY)] + ["<pad>"]
    ids = {token: n for n, token in enumerate(tokens)}
    (original / "vocab.json").write_text(json.dumps(ids), encoding="utf-8")
    MarianTokenizer.from_pretrained(original).save_pretrained(original)
    torch.manual_seed(1)
    config = MarianConfig(
        vocab_size=len(tokens),
        d_model=512,
        encoder_layers=6,
        decoder_layers=6,
        encoder_attention_heads=8,
        decoder_attention_heads=8,
        encoder_ffn_dim=2048,
        decoder_ffn_dim=2048,
        activation_function="swish",
        scale_embedding=True,
        max_position_embeddings=512,
        pad_token_id=ids["<pad>"],
        decoder_start_token_id=ids["<pad>"],
        bos_token_id=0,
        eos_token_id=0,
        forced_eos_token_id=None,
    )
    MarianMTModel(config).save_pretrained(original)
    converter = TransformersConverter(str(original), copy_files=["source.spm", "target.spm"])
    return Path(converter.convert(str(folder / "converted")))


def loaded(lines: list[str], folder: Path) -> list[Engine]:
    """The engines that can run here."""
    model = CTranslate2Settings(model=str(opus_base(folder, lines)), max_length=TOKENS)
    found = [engines.load(model, "en", "es")]
    try:
        found.append(engines.load(ApertiumSettings(), "en", "es"))
    except UserError as error:
        print(f"left out: {error}", file=sys.stderr)
    return found


def seconds(work: Callable[[], object]) -> float:
    """How long it takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def chosen(file: Path, count: int) -> tuple[list[str], list[str]]:
    """Lines of a file with about `count` sentences in all, and these."""
    lines: list[str] = []
    sentences: list[str] = []
    for line in dict.fromkeys(file.read_text(encoding="utf-8").splitlines()):
        if line.strip() and not is_special(line) and len(sentences) < count:
            lines.append(line)
            sentences += [part.strip() for part in split_sentences(line, "en") if part.strip()]
    return lines, sentences


def against_fxtranslate(folder: Path, file: Path, count: int) -> None:
    """Print how fast rows go through Bergamot, and the engine alone with all their sentences."""
    from polypaca.translation import bergamot_files, bergamot_worker

    target = folder.name[2:]
    rows = [
        Example(
            id=f"{number}.en",
            source=str(number),
            split="train",
            language="en",
            instruction=row["instruction"],
            input=row.get("input", ""),
            output=row["output"],
        )
        for number, row in enumerate(json.loads(file.read_text(encoding="utf-8"))[:count])
    ]
    files = bergamot_files.find_model_files(folder, "en", target)
    assert files.shortlist is not None
    paths = [files.model, files.source, files.target, files.shortlist]
    alone, vocabulary = bergamot_worker.load_model(paths)
    settings = BergamotSettings(model=str(folder))
    engine = engines.load(settings, "en", target)
    sent: list[str] = []

    class Recorded(Bergamot):
        def translate(self, texts: Sequence[str]) -> list[str | Untranslated]:
            sent.extend(texts)
            return super().translate(texts)

    def through(translator: Engine) -> int:
        with tempfile.TemporaryDirectory() as cache:
            done = translate_rows(
                rows,
                len(rows),
                translator,
                source_language="en",
                target_language=target,
                on_lost="pieces",
                cache=Path(cache),
                progress=lambda fraction, text: None,
            )
            return sum(row.sentences for row in done)

    recorded = Recorded(settings, EngineContext("en", target))
    used = through(recorded)
    recorded.close()
    # What the engine would cut must not cost it its place in the comparison.
    parts = [
        part
        for text in sent
        for part in bergamot_worker.split_pieces(
            text, lambda words: bergamot_worker.count_pieces(words, vocabulary)
        )
    ]
    direct, all_of_it = [], []
    for _ in range(RUNS):
        direct.append(seconds(lambda: [alone.translate(part) for part in parts]))
        all_of_it.append(seconds(partial(through, engine)))
    engine.close()
    one, two = statistics.median(direct), statistics.median(all_of_it)
    print(f"{len(rows)} rows, {used} sentences, {len(sent)} of them sent to the engine\n")
    print("| fxtranslate alone, sentences/s | polypaca, sentences/s | ratio |\n|---|---|---|")
    print(f"| {len(sent) / one:.1f} | {len(sent) / two:.1f} | {one / two:.2f} |")


def main() -> None:
    """Print the table."""
    if sys.argv[1] == "--bergamot":
        count = int(sys.argv[4]) if len(sys.argv) > 4 else ROWS
        against_fxtranslate(Path(sys.argv[2]).expanduser(), Path(sys.argv[3]), count)
        return
    file = Path(sys.argv[1])
    every = file.read_text(encoding="utf-8").splitlines()
    lines, sentences = chosen(file, int(sys.argv[2]) if len(sys.argv) > 2 else SENTENCES)
    print(f"{len(lines)} lines, {len(sentences)} sentences\n")
    print(
        "| engine | directly, sentences/s | through texts, sentences/s | ratio |\n|---|---|---|---|"
    )
    with tempfile.TemporaryDirectory() as folder:
        for engine in loaded(every, Path(folder)):
            engine.translate(sentences[:8])
            direct, through = [], []
            for _ in range(RUNS):
                direct.append(seconds(partial(engine.translate, sentences)))
                through.append(seconds(partial(translate_texts, lines, engine, "en")))
            one, two = (len(sentences) / statistics.median(taken) for taken in (direct, through))
            print(f"| {engine.name} | {one:.1f} | {two:.1f} | {two / one:.2f} |")
            engine.close()


if __name__ == "__main__":
    main()
