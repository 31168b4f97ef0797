"""Tasks that translation destroys: their point is the source language's words, sounds or letters.

"Correct the spelling" comes back with nothing to correct, a haiku without its syllables. The rules
are patterns, one table of them, looked for in the request, not in the text that it is about.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from polypaca.core import languages


@dataclass(frozen=True)
class Rule:
    """What a rule finds, and where it looks. It fires if either pattern is found.

    Attributes:
        summary: what such a task asks for, in one line.
        request: sought in the request (see `extract_request`), whatever the case.
        text: sought in instruction, input and output as they are.
        language: the language that the patterns are written for; None for any.
    """

    summary: str
    request: re.Pattern[str] | None = None
    text: re.Pattern[str] | None = None
    language: str | None = "en"


def _request(*alternatives: str) -> re.Pattern[str]:
    # `~` stands for a few words of the same sentence: bounded, so that time stays linear.
    joined = "|".join(alternative.replace("~", r"[^.?!;]{0,50}?") for alternative in alternatives)
    return re.compile(rf"\b(?:{joined})", re.IGNORECASE)


_LANGUAGES = (
    "(?:Arabic|Bengali|Bulgarian|Chinese|Czech|Danish|Dutch|English|Finnish|French|German|Greek|"
    "Gujarati|Hebrew|Hindi|Hungarian|Indonesian|Italian|Japanese|Korean|Latin|Malay|Mandarin|"
    "Norwegian|Persian|Polish|Portuguese|Punjabi|Romanian|Russian|Sanskrit|Spanish|Swahili|"
    "Swedish|Tagalog|Tamil|Telugu|Thai|Turkish|Ukrainian|Urdu|Vietnamese|Welsh)"
)
_PROGRAMMING = (
    r"(?:Python|Java|JavaScript|TypeScript|C\+\+|C#|HTML5?|CSS3?|SQL|MySQL|PHP|Ruby|Perl|Bash|"
    r"Swift|Kotlin|Golang|Matlab|jQuery|React|Node\.js|NumPy|pandas)(?![\w+#])"
)
_MAKE = (
    r"(?:write|create|generate|implement|construct|develop|design|compose|code|build|define|"
    r"make|provide|produce|output|edit|modify|fix|debug|optimize|refactor|rewrite)(?:s|ing)?\b"
)
_CHANGE = (
    r"(?:rewrite|re-write|rephrase|reword|re-word|change|convert|transform|turn|edit|modify|"
    r"adjust|alter|paraphrase|restate|make|put|replace|switch|revise|improve|update|form|"
    r"reconstruct|restructure)"
)
_FIND = (
    r"(?:identify|find|name|list|select|choose|pick|classify|label|determine|extract|underline|"
    r"highlight|count|locate|mark|tell|recognize|spot|detect|categori[sz]e|point out|what(?: is|"
    r"'s)?"
    r"|which|provide|give|state|analy[sz]e|tag|separate|remove|indicate|parse)\b"
)
_WORD_CLASS = (
    r"(?:(?:proper |common |abstract |collective |compound )?nouns?|(?:phrasal |modal |action |"
    r"auxiliary |main |helping )?verbs?|adverbs?|adjectives?|pronouns?|prepositions?|"
    r"conjunctions?|interjections?|determiners?|gerunds?|infinitives?|participles?)\b"
)

RULES: dict[str, Rule] = {
    "correction": Rule(
        "correct or check grammar, spelling, punctuation or capitals",
        _request(
            r"gramm(?:ar|atical|atically)\b(?! school)",
            r"spell(?:ed|ings?|-?check\w*)\b|(?:to|you|correctly) spell\b|spell (?:the|out|"
            r"check)\b",
            r"misspel\w*|typos?\b|proof-?read\w*|punctuat\w+|capitali[sz](?:e[ds]?\b|ing\b|"
            r"ation of)",
            r"(?:add|insert|include|missing)~(?:commas?|apostrophes?|semicolons?)\b",
            r"(?:upper|lower) ?case\b",
            r"(?:correct|fix|edit|revise|mend|amend)(?: the| this| any| all)?(?: \w+){0,2} "
            r"(?:sentence|sentences|errors?(?! (?:code|message)))\b",
            r"(?:errors?|mistakes?|incorrect \w+)~(?:in|of) (?:the|this|these)~(?:sentence|phrase)",
            r"(?:sentence|phrase)~(?:has|have|contains?|with) (?:an |any )?(?:errors?|mistakes?)",
            r"changes to the text\b|run-on\b|sentence fragment",
        ),
    ),
    "wording": Rule(
        "change, choose or order single words of a given text",
        _request(
            rf"{_CHANGE}~(?:with|using|to use|by using|to include|contains?|into) "
            r"(?:(?:an?|the|one|some|more|two|different|other|another|new|its) ){0,2}(?:\w+ )?"
            r"(?:words?|verbs?|adjectives?|adverbs?|nouns?|phrasing|vocabulary|terms?)\b"
            r"(?! (?:limit|count|or less|or fewer|document))",
            r"(?:replace|replacing|replacements?|substitut\w+|swap)~(?:words?|verbs?|adjectives?|"
            r"nouns?|pronouns?|adverbs?|phrases?|italicized|underlined)\b",
            r"(?:rearrange|reorder|re-order|reorgani[sz]e|unscramble|scramble\w*|jumbled?|arrange|"
            r"shuffle)~(?:words?|sentence|phrase|letters?)\b",
            rf"(?:add|insert|remove|delete|omit)~(?:{_WORD_CLASS}|words?\b(?! (?:doc|file)))"
            r"(?=[^.?!]{0,40}(?:sentence|phrase|text|paragraph|\"\"|$))",
            r"(?:combine|join|merge|connect)~(?:into )?(?:one |two |a single )?(?:words|sentences|"
            r"clauses)\b|from the (?:given )?words\b",
            r"(?:missing|correct|appropriate|right) (?:verb|preposition|article|pronoun|"
            r"conjunction)"
            r"\b|correct word\b",
            r"without (?:using|repeating)~(?:word|letter)|repeated words|filler words",
        ),
    ),
    "grammar-form": Rule(
        "change tense, voice, number, person or another grammatical form",
        _request(
            r"(?:past|present|future|verb|perfect|progressive|continuous|simple|same|correct)"
            r"[- ]tenses?\b|tense of|past participle|conjugat\w+|gerund|infinitive|subjunctive",
            r"(?:active|passive)(?:[- ]voice)?(?: form| sentence| construction)\b"
            r"|(?:active|passive)[- ]voice|(?:active|passive) to (?:active|passive)",
            rf"{_CHANGE}~(?:plural|singular|contractions?|(?:in)?direct speech|reported speech|"
            r"(?:first|second|third)[- ]person|interrogative|imperative|declarative|exclamatory|"
            r"negative (?:form|sentence)|comparative|superlative|possessive|complex sentence|"
            r"compound sentence|simple sentence)\b",
            r"(?:plural|singular|comparative|superlative|possessive|negative|noun|verb|adjective|"
            r"adverb|contracted) forms?\b|pluraliz\w+|plural of|contraction (?:of|for)\b",
            r"verb~\"\"|change the verb",
        ),
    ),
    "analysis": Rule(
        "name parts of speech, parse or classify a sentence by its grammar",
        _request(
            r"parts?[- ]of[- ]speech|pos[- ]tag\w*|lemmati\w+|stemming|toke?ni[sz]e|morpholog\w+",
            rf"{_FIND}~{_WORD_CLASS}",
            rf"{_FIND}~(?:subjects?(?= (?:of|in) (?:the|this)~sentence)|predicates?|direct object|"
            r"indirect object|clauses?\b(?! of the (?:contract|constitution))|verb phrase|"
            r"noun phrase|antecedent|figures? of speech|literary devices?|(?:sentence|grammatical) "
            r"structure|modifiers?)\b",
            r"(?:type|kind|structure|subject|object|mood) of (?:the |this )?(?:given |following |"
            r"input )?"
            r"(?:sentence|phrase|clause|verb|noun)\b",
            r"(?:simple|compound|complex)(?:,| or)~(?:compound|complex)\b|(?:compound|"
            r"complex) sentence",
            rf"(?:is|are)~(?:a |an ){_WORD_CLASS}|as (?:a |an )?{_WORD_CLASS}",
            r"declarative|interrogative|exclamatory",
        ),
    ),
    "word-relations": Rule(
        "give synonyms, antonyms, homophones, word families or the origin of a word",
        _request(
            r"synonym\w*|antonym\w*|homophones?|homonyms?|homographs?|hypernyms?|hyponyms?",
            r"words?~(?:that mean|which mean|with the same meaning|with (?:a )?similar meaning)",
            r"(?:opposite|opposites) (?:of|word|meaning)|similar words?\b|words? similar to",
            r"prefix\w*|suffix\w*|root words?|base word|compound words?|etymolog\w+|contronym\w*",
            r"origins? of the (?:word|phrase|expression|term)|portmanteau\w*",
            r"(?:another|different|alternative|other|new|better|more formal|stronger) "
            r"(?:words?|terms?) (?:for|to|by|than|that)\b",
        ),
    ),
    "sound": Rule(
        "rhyme, metre, syllables, alliteration or pronunciation",
        _request(
            r"rhym\w+|haikus?\b|(?-i:limericks?)\b|sonnets?\b|tanka\b|villanelle|sestina|"
            r"couplets?\b",
            r"syllab(?:les?|ic|ification)\b|iambic|pentameter|alliterat\w+|assonance|"
            r"onomatopoei\w+|tongue[- ]twisters?",
            r"pronounc(?:e|ed|ing)\b|pronunciation|phonetic\w*|phonemes?\b|sounds? of the (?:word|"
            r"letter)",
            r"(?:meter|metre) of (?:the|this) poem|stressed syllable",
        ),
    ),
    "letters": Rule(
        "letters of words: anagrams, palindromes, acronyms, initials, ciphers, words with a letter",
        _request(
            r"anagrams?\b|palindrom\w+|acronyms?\b|acrostics?\b|crosswords?\b|hangman\b|scrabble\b|"
            r"word (?:search|ladder|game|puzzle|jumble)|pangrams?\b|vowels?\b|consonants?\b|"
            r"caesar (?:cipher|shift)|pig latin|cipher\w*|leetspeak|abbreviat\w+|initials\b|"
            r"spoonerism",
            r"(?:start|begin|end)\w* (?:with|in)~(?:letters?|vowels?|sounds?|consonants?)\b",
            r"(?:start|begin|end)\w* (?:with|in) (?:an? |the )?(?-i:[A-Z])\b(?! \w)",
            r"words?~(?:start|begin|end|rhym)\w* (?:with|in) \"\"",
            r"(?:the|each|every|this|same|of|all|first|last|missing|given|random|with|"
            r"use) letters?\b"
            r"(?=~(?:word|sentence|alphabet|name|phrase|string|form|make|of|in\b|\"\"|[.?:]|$))"
            r"|letters (?:of|in|from) (?:the|this|each|a)\b|the letters? (?-i:[A-Z])\b",
            r"revers\w+(?! engineer)~(?:word|string|letter|sentence|phrase)s?\b|"
            r"spell\w*~backwards?",
            r"(?:\w+|\d+)[- ]letter(?:ed)? (?:word|name)s?",
            r"(?:invent|coin|make up|create|form)~ ?new words?\b|words? (?:can be |from )?formed\b",
        ),
    ),
    "alphabet": Rule(
        "put words into alphabetical order",
        _request(r"alphabeti[csz]\w*|lexicographic\w*|dictionary order"),
    ),
    "counting": Rule(
        "count or measure words, letters, characters or syllables",
        _request(
            r"(?:count|calculate|compute|find|determine|tell|output|return|what is|state|estimate|"
            r"report)~(?:number|total|count|length|frequency|amount|many|times)~(?:words?|letters?|"
            r"characters?|vowels?|sentences?|syllables?|nouns?|string)\b",
            r"how many (?:\w+ )?(?:words?|letters?|characters?|vowels?|syllables?|times does)\b",
            r"(?:count|counting)~(?:words?|letters?|characters?|vowels?|\"\")"
            r"|word count (?:of|for|in)\b|letter count",
            r"(?:longest|shortest|most (?:common|frequent\w*)|unique|number of|"
            r"\w+ occurring) words?\b",
            r"exactly \w+ (?:words|letters|characters|syllables)",
        ),
    ),
    "idiom": Rule(
        "explain or make idioms, puns, riddles or word play, which live in their wording",
        _request(
            r"idiom\w*|puns?\b|play on words|word ?play|double entendre|slang\b|clich[eé]s?\b|"
            r"oxymorons?\b|riddles?\b|knock[- ]knock|malapropism|colloquial\w*",
        ),
    ),
    "translation": Rule(
        "translate, or say something in a named language",
        _request(
            r"translat(?:e|es|ed|ing|ion|ions)\b(?=~(?:to|into|from|in|of|for)\b|~(?:sentence|"
            rf"phrase|text|word|paragraph|passage)|~{_LANGUAGES}|[:.?]?$)",
            rf"(?:in|into|to) {_LANGUAGES}(?=[.?:,;]|$| (?:and|or|is|language|word|phrase|for)\b)",
            rf"{_LANGUAGES} (?:words?|phrases?|translations?|sentences?|equivalent|"
            r"(?:for|version of)|language\b(?=~(?:word|phrase|text)))\b",
            r"transliterat\w+|(?:what|which) language is (?:this|the)|language of (?:the|"
            r"this) (?:text|"
            r"sentence|phrase|word)|(?:detect|identify|determine|recognize) (?:the |"
            r"which )?language",
        ),
    ),
    "code": Rule(
        "write, change or explain programs, queries, markup or regular expressions",
        _request(
            rf"{_MAKE}~(?:functions?(?! of\b)|programs?(?= (?:to|that|which|in|for|using|code)\b|"
            r"[.:]|$)|code\b(?! of (?:conduct|ethics)|name)|pseudo-?code|scripts?(?= (?:to|that|"
            r"which|in|using)\b)|class(?= (?:with|in|to|that|for|called|named|\"\"|hierarchy))|"
            r"quer(?:y|ies)|regex\w*|regular expressions?|web ?pages?|"
            r"loops?|snippets?|api|stored procedure|subroutine|method (?:that|which|in)|"
            r"command[- ]line|shell command)\b",
            rf"(?:in|using|with|a|an|the|this|of|and|some) {_PROGRAMMING}(?! (?:developer|"
            r"programmer|island|coffee))",
            r"for loop|while loop|regular expression|pseudo-?code|code snippet|source code|"
            r"(?:this|the|following|given) (?:code|program|algorithm)\b",
            r"(?:bugs?|errors?) in (?:the|this) (?:code|program|function)|compil(?:e|er|"
            r"ation) error",
        ),
    ),
    "program-text": Rule(
        "the example holds program code, a query or markup",
        text=re.compile(
            r"^[ \t]*(?:```[ \t]*(?!json|csv|te?xt|markdown|latex)[A-Za-z]|#include\b|#!/|"
            r"def \w+\(|class \w+(?:\(\w*\))?:|import [a-z][\w.]*;?$|"
            r"from [\w.]+ import |public (?:static |class |void |int )|function \w*\(|"
            r"(?:var|let|const) \w+ =|SELECT\b[^\n]{1,200}\bFROM\b|CREATE TABLE |INSERT INTO |"
            r"<!DOCTYPE|<html\b|for \w+ in [^\n:]{1,80}:$|if ?\([^\n]{1,80}\) ?\{$|print\(|"
            r"return \w+;)"
            r"|\bconsole\.log\(|\bSystem\.out\.print|</(?:div|p|a|h[1-6]|body|html|li|ul|table)>",
            re.MULTILINE,
        ),
        language=None,
    ),
}

_HEAD, _TAIL = 400, 200
_QUOTED = re.compile(
    r"\"[^\"]{1,300}\"|“[^”]{1,300}”|(?<!\w)['‘][^'’]{1,300}['’](?!\w)|`[^`]{1,300}`"
)


def extract_request(instruction: str) -> str:
    """What an instruction asks for: without what it quotes, and of a long one the two ends.

    A quotation leaves `""` behind. At most about 600 characters; white space is folded.
    """
    if len(instruction) > _HEAD + _TAIL:
        instruction = f"{instruction[:_HEAD]} ... {instruction[-_TAIL:]}"
    return " ".join(_QUOTED.sub('""', instruction).split())


def rules_for(language: str) -> list[str]:
    """The names of the rules that apply to examples in `language`.

    Raises:
        ValueError: if `language` is not a language code.
    """
    code = languages.canonical(language)
    return [name for name, rule in RULES.items() if rule.language in (None, code)]


def untranslatable_rules(instruction: str, input: str, output: str, language: str) -> list[str]:
    """The names of the rules by which translation would destroy this example; mostly none.

    English examples are judged by what they ask for; for other languages only the rules that are
    about no language apply: `rules_for` says which. Takes time linear in the length.

    Args:
        instruction: the source example's instruction.
        input: its input, or an empty string.
        output: its answer.
        language: code of the language that it is in.

    Raises:
        ValueError: if `language` is not a language code.
    """
    request = extract_request(instruction)
    found = []
    for name in rules_for(language):
        rule = RULES[name]
        asked = rule.request is not None and rule.request.search(request)
        shown = rule.text is not None and any(
            rule.text.search(text) for text in (instruction, input, output)
        )
        if asked or shown:
            found.append(name)
    return found
