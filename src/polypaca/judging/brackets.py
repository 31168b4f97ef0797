"""Finding the `[[...]]` of a judge's words, and which of them the words call the rating."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

# Forms of brackets that leave no doubt, as judges write them in Markdown, HTML and East Asian text.
_ENTITIES = re.compile(r"&(?:#91|#x5b|lsqb|lbrack);|(&(?:#93|#x5d|rsqb|rbrack);)", re.IGNORECASE)
_ESCAPED = re.compile(r"\\([\[\]])")
_AS_ASCII = str.maketrans(
    {
        **dict.fromkeys("［【〔〖", "["),
        **dict.fromkeys("］】〕〗", "]"),
        **dict.fromkeys("⟦〚", "[["),
        **dict.fromkeys("⟧〛", "]]"),
    }
)
_APART = re.compile(r"\[[ \t]+(?=\[)|(?<=\])[ \t]+\]")
_BRACKETS = re.compile(r"\[\[([^\[\]]*)\]\]")
_MARKUP = " \t*_~`\"'“”„«»\u200b\u200e\u200f"
_UNIT = re.compile(r"\s*(?:points?|pts\.?|分|点|點|점)$", re.IGNORECASE)

# The word for the rating, in the languages that prompts of one's own are likely to be in.
_RATING = (
    "rating|score|grade|mark|points?|calificación|puntuación|puntaje|nota|valoración|note|notation|"
    "évaluation|evaluación|bewertung|punktzahl|wertung|classificação|avaliação|pontuação|"
    "valutazione|voto|punteggio|beoordeling|cijfer|оценка|оцінка|рейтинг|балл?|ocena|hodnocení|"
    "známka|评分|評分|评级|評級|得分|分数|分數|打分|評価|スコア|点数|評点|採点|평점|점수|평가|등급|"
    "التقييم|تقييم|الدرجة|درجة|امتیاز|रेटिंग|मूल्यांकन|अंक|स्कोर|রেটিং|মূল্যায়ন|স্কোর|নম্বর|"
    "puan|değerlendirme|derece|điểm|đánh giá|xếp hạng|peringkat|nilai|skor|penilaian|betyg|"
    "vurdering|karakter|poäng|poeng|bedömning|arvosana|arvio|βαθμολογία|דירוג|ציון|notă|evaluare|"
    "értékelés|pontszám|คะแนน"
)
_PREFERENCE = (
    "verdict|winner|preference|decision|choice|answer|judge?ment|veredicto|ganadora?|gewinner|"
    "urteil|gagnante?|vencedora?|vincitore|победитель|胜者|結論|结论|判断"
)
# Between two brackets: the second corrects the first.
CORRECTION = re.compile(
    r"\s*[,.;]?\s*(?:or\s+rather|no[,:]|rather|correction:|I\s+mean)\s*", re.IGNORECASE
)
_MOST_LABEL = 40  # characters of a label within brackets
_MOST_BEFORE = 160  # characters before a bracket among which its label is


@dataclass(frozen=True)
class Labels:
    """What calls a bracket the decision: words before it, and phrases in the first person."""

    words: str
    verbs: str

    def match_end(self, before: str) -> re.Match[str] | None:
        """A label right before a bracket: `Rating:`, `my final rating is`, `I rate it`."""
        pattern = _compiled(self.words, self.verbs)[0]
        return pattern.search(before, max(0, len(before) - _MOST_BEFORE))

    def is_label(self, inside: str) -> bool:
        """Whether there is a label and nothing else, as in `[[rating]]`."""
        return bool(_compiled(self.words, self.verbs)[1].fullmatch(inside))

    def match_prefix(self, inside: str) -> re.Match[str] | None:
        """A label before one more word, as in `[[Rating 2]]`."""
        return _compiled(self.words, self.verbs)[2].fullmatch(inside)


RATING = Labels(_RATING, "rate|give|assign|score|award|grade")
PREFERENCE = Labels(_PREFERENCE, "choose|prefer|pick|take|select|vote for|go with")


@lru_cache
def _compiled(words: str, verbs: str) -> tuple[re.Pattern[str], ...]:
    is_one = r"(?:[:：=]|[-–—]+>?|→|\bis\b|\bwould be\b|\bremains\b)"
    further = r"(?:\s+[\w'’]+){0,5}?\s*(?:\([^()]*\)\s*)?"
    person = rf"\bI(?:['’](?:d|ll)|\s+would|\s+will)?\s+(?:\w+\s+)?(?:{verbs})\b"
    before = (
        rf"(?:(?P<label>(?:{words})(?:{further}{is_one}|(?P<weak>\s+of)|)\s*"
        r"(?:(?:an?|the|now|therefore|thus)\b\s*)?[:：]?)"
        rf"|(?P<person>{person}[^.!?]{{0,60}}?))\s*$"
    )
    within = rf"(?:\w+\s+){{0,2}}(?:{words})(?:\s+[^\W\d]+)?"
    ahead = rf"(?:{words})\s+(\S+)"
    return tuple(re.compile(pattern, re.IGNORECASE) for pattern in (before, within, ahead))


@dataclass(frozen=True)
class Bracket:
    """One `[[...]]`.

    Attributes:
        said: what it holds, without markup and a label of its own: `8` of `[[Rating: **8**]]`.
        begin: where it begins in the plain text.
        end: where it ends.
        labelled: whether it holds a label of its own.
    """

    content: str
    start: int
    end: int
    labelled: bool = False


def normalise_brackets(text: str) -> str:
    """The text with all forms of square brackets as `[` and `]`."""
    text = _ENTITIES.sub(lambda found: "]" if found[1] else "[", text)
    return _APART.sub(
        lambda found: found[0].strip(), _ESCAPED.sub(r"\1", text).translate(_AS_ASCII)
    )


def find_brackets(text: str, labels: Labels = RATING) -> list[Bracket]:
    """All brackets of a plain text; `[[rating]]: 8` is one that holds 8."""
    found = []
    for match in _BRACKETS.finditer(text):
        inside = _strip_markup(match[1])
        label, colon, rest = re.sub("[：=]", ":", inside).partition(":")
        if colon and rest.strip() and _is_label(label):
            found.append(Bracket(_strip_markup(rest), *match.span(), labelled=True))
        elif labels.is_label(inside):
            found.append(_number_behind(text, match, inside))
        elif spoken := labels.match_prefix(inside):
            found.append(Bracket(_strip_markup(spoken[1]), *match.span(), labelled=True))
        else:
            found.append(Bracket(inside, *match.span()))
    return found


def _number_behind(text: str, match: re.Match[str], inside: str) -> Bracket:
    # The prompt's own `[[rating]]`, with the number behind it.
    number = re.compile(
        r"[*_ \t]*[:：=][*_ \t]*([^\W_]+(?:[.,]\d+)?)(?![\w%]|[.,]\d|\s*[-–—]\s*\d)"
    )
    behind = number.match(text, match.end())
    if behind and any(character.isdecimal() for character in behind[1]):
        return Bracket(behind[1], match.start(), behind.end(), labelled=True)
    return Bracket(inside, *match.span())


def _is_label(label: str) -> bool:
    def is_of_words(character: str) -> bool:
        # Marks are parts of words in scripts such as Devanagari.
        is_mark = unicodedata.category(character).startswith("M")
        return character.isalpha() or is_mark or character in " \t*_'’"

    return 0 < len(label.strip()) <= _MOST_LABEL and all(map(is_of_words, label))


def _strip_markup(inside: str) -> str:
    return _UNIT.sub("", unicodedata.normalize("NFKC", inside).strip(_MARKUP)).strip(_MARKUP)


def to_ascii(number: str) -> str:
    """A number's text with digits and decimal points of any script as ASCII."""
    digits = (str(unicodedata.decimal(c)) if c.isdecimal() else c for c in number)
    return "".join(digits).replace("\u066b", ".").replace("،", ",")
