"""The process in which a Bergamot model works: one JSON line in, one out.

`python -m polypaca.translation.bergamot_worker MODEL SOURCE_VOCABULARY TARGET_VOCABULARY [LEXICON]`
says `{"backend": ...}` when it is ready or `{"error": ...}` if it cannot be; from then on
`{"text": ...}` is answered by `{"translation": ...}` or `{"failed": ...}`, until its input ends.
It is a process of its own because native code that fails takes its process along, and one for each
thread because an engine of this library answers only to the thread that made it.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from polypaca.translation.bergamot_files import read_file, without_unknown

if TYPE_CHECKING:
    from collections.abc import Callable

# Firefox and Bergamot cut at 128 pieces, end mark included (max-length-break: 128). The engine
# stops writing after 256 pieces, twice that: what it is given whole, it can answer whole.
MAX_PIECES = 127


def main(arguments: list[str]) -> None:
    """Load the model and answer until the input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's: it closes the input
    replies = _redirect_output()
    try:
        translator, vocabulary = load_model([Path(argument) for argument in arguments])
        translator.translate("1")  # a part that is missing shows only at work
    except Exception as error:  # noqa: BLE001 - whatever is wrong, the parent has to say it
        _reply(replies, error=str(error))
        return
    _reply(replies, backend=translator.backend())
    for line in sys.stdin:
        text = json.loads(line)["text"]
        try:
            text.encode()
        except UnicodeEncodeError as error:  # a lone surrogate
            _reply(replies, failed=f"not valid Unicode: {error.reason}")
            continue
        _reply(replies, translation=translate(text, translator, vocabulary))


def translate(text: str, translator: Any, vocabulary: Any) -> str:
    """Translate one text, in parts if it has more pieces than the engine takes at once."""
    outputs = []
    for chunk in split_pieces(text, lambda words: count_pieces(words, vocabulary)):
        content = chunk.rstrip()
        outputs += [translator.translate(content), chunk[len(content) :]]
    return "".join(outputs).strip()


def count_pieces(text: str, vocabulary: Any) -> int:
    """How many pieces a text has for the engine, to which each unknown character is one."""
    pieces = vocabulary.encode_as_pieces(text)
    unknown = vocabulary.unk_id()
    ids = vocabulary.encode_as_ids(text)
    return sum(
        len(piece) if number == unknown else 1 for piece, number in zip(pieces, ids, strict=True)
    )


def split_pieces(text: str, count: Callable[[str], int], longest: int = MAX_PIECES) -> list[str]:
    """Cut a text into parts of at most `longest` pieces, between words where that is possible.

    Joined, the parts are the text; white space stays with the word before it.
    """
    # No piece of ASCII is shorter than a character, but for the mark of a word's beginning.
    if (text.isascii() and len(text) < longest) or count(text) <= longest:
        return [text]
    chunks, used = [""], 0
    for word in re.findall(r"\s*\S+\s*", text):
        for piece in _halves(word, count, longest):
            cost = count(piece)
            if used + cost > longest:
                chunks.append("")
                used = 0
            chunks[-1] += piece
            used += cost
    return [chunk for chunk in chunks if chunk]


def _halves(word: str, count: Callable[[str], int], longest: int) -> list[str]:
    """The word, halved as often as it must be: scripts without spaces make long ones."""
    if len(word) < 2 or count(word) <= longest:
        return [word]
    middle = len(word) // 2
    return [*_halves(word[:middle], count, longest), *_halves(word[middle:], count, longest)]


def load_model(paths: list[Path]) -> tuple[Any, Any]:
    """The translator, and the vocabulary of the language that it reads."""
    from fxtranslate import Translator
    from sentencepiece import SentencePieceProcessor

    model, source, target, *shortlist = [read_file(path) for path in paths]
    unknown = SentencePieceProcessor(model_proto=target).unk_id()
    translator = Translator(without_unknown(model, unknown), source, target, *shortlist)
    return translator, SentencePieceProcessor(model_proto=source)


def _redirect_output() -> TextIO:
    """Standard output for replies alone; what libraries print goes to standard error."""
    replies = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)
    return replies


def _reply(replies: TextIO, **reply: str) -> None:
    replies.write(json.dumps(reply) + "\n")
    replies.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
