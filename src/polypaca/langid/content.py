"""What there is in a cleaned answer to tell a language by.

The definitions are stated for users in docs/language-gate.md.
"""

from __future__ import annotations

import re

from polypaca.core.unspaced import EAST_ASIAN, SOUTHEAST_ASIAN, character_class

_NO_LETTER_OR_DIGIT = re.compile(r"[\W_]+")
_LETTERS = re.compile(r"[^\W\d_]+")

_IDEOGRAPHS_AND_KANA = re.compile(f"[{character_class(EAST_ASIAN)}]")
_SOUTH_EAST_ASIAN = re.compile(f"[{character_class(SOUTHEAST_ASIAN)}]")
# About how many of their characters make a word.
_IDEOGRAPHS_A_WORD = 2
_LETTERS_A_WORD = 4

_SHORTEST_LOOP = 20  # letters and digits
_LONGEST_UNIT = 20
_REPEATS = 8
_PROBE = 100

_MOST_NAMES = 30
_MOST_CAPITALS = 3

# Small words inside names, and words that stand in headings and short answers.
_PARTICLE_LIST = """
    van von vom zu zum zur der den de da do dos das di del della du des la le los las el al bin
    ibn ben ter ten
"""
_PARTICLES = frozenset(_PARTICLE_LIST.split())
_NO_NAME_LIST = """
    of and to in for with your you how what which who why when where from by at on as is are be
    it its this that these those not or if into about our my their more most than vs before
    after yes no true false none sure okay ok thanks thank hello hi sorry please maybe perhaps
    never always positive negative neutral unknown correct incorrect wrong right good great
    nothing introduction conclusion summary overview benefits tips steps key best example answer
    question para que cómo sí pour avec oui non und oder mit für nein
"""
_NO_NAMES = frozenset(_NO_NAME_LIST.split())

_CAPITALISED = r"[A-ZÀ-ÖØ-ÞĀ-ŽΑ-ΩЀ-Я][^\W\d_]*(?:['’-][^\W\d_]+)*"
_RUN_OF_NAMES = re.compile(rf"(?<![\w'’-]){_CAPITALISED}(?:[\s.,:;/&–]{{1,3}}{_CAPITALISED})+")

_FEW_WORDS = 3


def word_count(text: str) -> int:
    """How many words have a letter; in scripts without spaces, about how many there are.

    There two ideographs or kana, and four letters of Thai, Lao, Khmer or Burmese, are a word.
    """
    ideographs = len(_IDEOGRAPHS_AND_KANA.findall(text))
    south_east = len(_SOUTH_EAST_ASIAN.findall(text))
    if ideographs:
        text = _IDEOGRAPHS_AND_KANA.sub(" ", text)
    if south_east:
        text = _SOUTH_EAST_ASIAN.sub(" ", text)
    spaced = sum(1 for word in text.split() if any(map(str.isalpha, word)))
    return spaced + ideographs // _IDEOGRAPHS_A_WORD + south_east // _LETTERS_A_WORD


def is_loop(text: str) -> bool:
    """Whether a text says one short thing over and over.

    Of its letters and digits, all but the first tenth are one unit of at most 20 of them, with a
    letter among them, at least eight times over; the last time may be cut off. Numbered lists
    are none, nor is anything of fewer than 20 letters and digits.
    """
    # A loop is one in its middle too: that spares nearly all texts the rest.
    middle = _signs(text[len(text) // 2 :][:_PROBE])
    if len(middle) > 2 * _LONGEST_UNIT and not _unit(middle, _LONGEST_UNIT):
        return False
    signs = _signs(text)
    if len(signs) < _SHORTEST_LOOP:
        return False
    body = signs[len(signs) // 10 :]
    return any(map(str.isalpha, _unit(body, min(_LONGEST_UNIT, len(body) // _REPEATS))))


def _signs(text: str) -> str:
    return _NO_LETTER_OR_DIGIT.sub("", text).casefold()


def _unit(signs: str, longest: int) -> str:
    """What is repeated from the beginning to the end, the last time perhaps in part."""
    size = 0
    while 0 < (size := signs.find(signs[:1], size + 1)) <= longest:
        if signs.startswith(signs[size:]):
            return signs[:size]
    return ""


def is_only_names(text: str, *, mixed: bool = False) -> bool:
    """Whether a text may be names alone: up to 30 words, all with a capital letter first.

    Between them the small words that names have (*van*, *de*, *bin*) may stand in lower case. Of
    words in capitals alone, which may be a sentence, at most three. English words that no name
    begins with show a heading (*Key Benefits Of Exercise*) or a short answer (*Yes*). In scripts
    without capitals nothing is taken for a name.

    Args:
        text: the text.
        mixed: it was taken from a text in another script, beside which any such words are names.
    """
    words = capitals = 0
    for match in _LETTERS.finditer(text):
        word = match[0]
        if word in _PARTICLES and words:
            continue
        words += 1
        capitals += len(word) > 1 and word.isupper()
        if not _is_capitalised(word):
            return False
        if not mixed and (words > _MOST_NAMES or capitals > _MOST_CAPITALS):
            return False
        if not mixed and word.lower() in _NO_NAMES:
            return False
    return words >= 1


def without_names(text: str) -> str:
    """A text without runs of two words or more with a capital letter first."""
    return " ".join(_RUN_OF_NAMES.sub(" ", text).split())


def _is_capitalised(word: str) -> bool:
    return word[0].isupper() and all(letter.isupper() or letter.islower() for letter in word)


def is_short(text: str) -> bool:
    """Whether a text has three words or fewer: too few for a detector."""
    return len(text) < 200 and word_count(text) <= _FEW_WORDS
