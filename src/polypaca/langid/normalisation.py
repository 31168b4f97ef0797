"""One form for texts that are the same but for how they are encoded or set.

A detector sees signs, not text: composed and decomposed letters, capitals and vowel signs are
different signs to it. What is written must decide, not how (docs/language-gate.md).
"""

from __future__ import annotations

import re
import unicodedata

# Soft hyphens, zero-width signs, marks of direction, variation selectors, tags. The joiners are
# letters' signs in Persian and in Indian scripts, and none between Latin, Greek and Cyrillic ones.
_ALPHABETIC = "A-Za-z\u00c0-\u052f"
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f"
    "\ufe00-\ufe0f\ufeff\U000e0000-\U000e01ef]+"
    f"|(?<=[{_ALPHABETIC}])[\u200c\u200d]+|[\u200c\u200d]+(?=[{_ALPHABETIC}])"
)
# Letters and digits that have a plain form: full and half width, ligatures, Arabic and Hebrew
# presentation forms, mathematical and circled letters. Not all of NFKC: signs such as the
# full-width comma are what Chinese is written with.
_COMPATIBLE = re.compile(
    "[\u249c-\u24e9\uff10-\uff19\uff21-\uff3a\uff41-\uff5a\uff66-\uff9f\ufb00-\ufbb1\ufbd3-\ufdfb"
    "\ufe70-\ufefc\U0001d400-\U0001d7ff\U0001ee00-\U0001eef1]+"
)
# Arabic vowel signs, marks of recitation and the stretching of words (harakat, dagger alif,
# tatweel); hamza and madda are letters' parts and stay.
_ARABIC_SIGNS = re.compile(
    "[\u0610-\u061a\u0640\u064b-\u0652\u0656-\u0658\u0670\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8"
    "\u06ea-\u06ed]+"
)
# Hebrew vowel points and marks of recitation. Yiddish writes a few of them, on one letter in ten.
_HEBREW_SIGNS = re.compile("[\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7]+")
_HEBREW_LETTERS = re.compile("[\u05d0-\u05f2]")
_POINTED = 0.3
# The stress that schoolbooks put on vowels.
_CYRILLIC_STRESS = re.compile("(?<=[аеиоуыэюяіїєёАЕИОУЫЭЮЯІЇЄЁ])\u0301")
# Apostrophes and hyphens are parts of words.
_PUNCTUATION = re.compile(r"[!-&(-,./:-@\[-`{-~]+")
# One of all these; U+0301 stands for what follows Cyrillic letters.
_UNUSUAL = re.compile(
    "[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufe00-\ufe0f\ufeff"
    "\U000e0000-\U000e01ef\u249c-\u24e9\uff10-\uff19\uff21-\uff3a\uff41-\uff5a\uff66-\uff9f"
    "\ufb00-\ufbb1\ufbd3-\ufdfb\ufe70-\ufefc\U0001d400-\U0001d7ff\U0001ee00-\U0001eef1"
    "\u0610-\u061a\u0640\u064b-\u0652\u0656-\u0658\u0670\u06d6-\u06ed\u0591-\u05c7\u0301"
    "\u0085\u2028\u2029]"
)
_LINE_ENDS = re.compile("\r\n?|[\u0085\u2028\u2029]")


def normalise(text: str) -> str:
    r"""`text` composed (NFC), without invisible signs, vowel signs and typographic letters.

    Line ends become `\n`. `normalise(normalise(text)) == normalise(text)`.
    """
    if "\r" in text:
        text = _LINE_ENDS.sub("\n", text)
    if text.isascii():
        return text
    # Most texts are plain, and this is quick to tell.
    while _UNUSUAL.search(text) or not unicodedata.is_normalized("NFC", text):
        # What stood apart may then stand together, and be written as one.
        before, text = text, _plainer(text)
        if before == text:
            break
    return text


def _plainer(text: str) -> str:
    text = _INVISIBLE.sub("", _LINE_ENDS.sub("\n", text))
    text = unicodedata.normalize("NFC", text)
    text = _COMPATIBLE.sub(lambda match: unicodedata.normalize("NFKC", match[0]), text)
    text = _CYRILLIC_STRESS.sub("", _ARABIC_SIGNS.sub("", text))
    signs = len(text) - len(_HEBREW_SIGNS.sub("", text))
    if signs > _POINTED * len(_HEBREW_LETTERS.findall(text)):
        text = _HEBREW_SIGNS.sub("", text)
    return unicodedata.normalize("NFC", text)


def detector_input(text: str) -> str:
    """`text` as detectors are asked: in lower case, whatever it was in, without ASCII punctuation.

    On FLORES lid.176 is as often right in lower case as in sentence case (docs/language-gate.md),
    and oftener without what stands for it in tables, lists and around quoted words.
    """
    return _PUNCTUATION.sub(" ", text.lower().replace("i\u0307", "i")).strip()
