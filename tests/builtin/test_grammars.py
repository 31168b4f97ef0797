"""The grammars: parallel tables, and sentences checked by hand."""

from __future__ import annotations

import string

import pytest

from polypaca.builtin.corpus import PHRASES, TASKS, CorpusItem
from polypaca.builtin.grammars.model import LANGUAGES, grammar

ENGLISH = grammar("en")


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_the_same_concepts_and_tasks(language: str) -> None:
    own = grammar(language)
    assert {kind: set(words) for kind, words in own.words.items()} == {
        kind: set(words) for kind, words in ENGLISH.words.items()
    }
    assert set(own.tasks) == set(ENGLISH.tasks) == set(TASKS)


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_two_concepts_of_a_kind_share_a_word(language: str) -> None:
    for kind, words in grammar(language).words.items():
        texts = [word.text for word in words.values()]
        assert len(set(texts)) == len(texts), kind


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("task", TASKS)
def test_every_request_mentions_every_slot(language: str, task: str) -> None:
    """A request that left a slot open would have no one right answer."""
    patterns = grammar(language).tasks[task]
    for request in patterns.requests:
        named = {slot for _, slot, _, _ in string.Formatter().parse(request + patterns.input)}
        assert named - {None} == set(TASKS[task])


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_the_same_phrases(language: str) -> None:
    for name, slots in PHRASES.items():
        phrase = grammar(language).phrases[name]
        named = {slot for _, slot, _, _ in string.Formatter().parse(phrase)}
        assert named - {None} == set(slots)


# Worked out by hand: (task, concepts, way of asking, language, request or answer, text).
SENTENCES = [
    ("describe", "Anna bear grey", 0, "de", "Beschreibe den grauen Bären, der Anna gehört."),
    ("describe", "Anna owl grey", 0, "de", "Beschreibe die graue Eule, die Anna gehört."),
    ("describe", "Anna sheep grey", 0, "de", "Beschreibe das graue Schaf, das Anna gehört."),
    ("compare", "bear duck", 1, "de", "Was ist der Unterschied zwischen dem Bären und der Ente?"),
    ("compare", "horse bear", 0, "de", "Vergleiche das Pferd mit dem Bären."),
    ("reasons", "Omar lake spring", 0, "de", "Nenne zwei Gründe, den See im Frühling mit Omar zu "
     "besuchen."),
    ("reasons", "Omar station spring", 1, "de", "Warum sollte ich im Frühling mit Omar zum "
     "Bahnhof gehen?"),
    ("recipe", "nuts mushrooms 4", 0, "de", "Wie koche ich eine Suppe mit Nüssen und Pilzen für 4 "
     "Personen?"),
    ("describe", "Leo goat red", 0, "es", "Describe la cabra roja que pertenece a Leo."),
    ("describe", "Leo dog red", 1, "es", "¿Qué puedes contarme sobre el perro rojo de Leo?"),
    ("describe", "Leo goat brown", 0, "es", "Describe la cabra marrón que pertenece a Leo."),
    ("reasons", "Eva beach winter", 1, "es", "¿Por qué debería ir a la playa con Eva en "
     "invierno?"),
    ("reasons", "Eva forest winter", 1, "es", "¿Por qué debería ir al bosque con Eva en "
     "invierno?"),
    ("story", "Nora umbrella beach", 0, "en", "Tell a short story about Nora and an umbrella on "
     "the beach."),
    ("describe", "Max owl white", 1, "no", "Hva kan du fortelle meg om den hvite ugla til Max?"),
    ("story", "Max map park", 1, "no", "Finn på en historie der Max finner et kart i parken."),
    ("story", "Max bag park", 1, "no", "Finn på en historie der Max finner ei veske i parken."),
    ("story", "Sara book lake", 1, "zh", "请编一个故事，讲Sara在湖边找到一本书。"),
    ("advice", "Sara bicycle beach", 0, "zh", "Sara在海滩上丢了一辆自行车。现在该怎么办？"),
]  # fmt: skip


def _item(task: str, concepts: str, way: int = 0) -> CorpusItem:
    return CorpusItem(task, tuple(zip(TASKS[task], concepts.split(), strict=True)), way)


@pytest.mark.parametrize(("task", "concepts", "way", "language", "text"), SENTENCES)
def test_requests(task: str, concepts: str, way: int, language: str, text: str) -> None:
    assert _item(task, concepts, way).instruction(language) == text


ANSWERS = [
    ("advice", "Anna clock castle", "de", "eine neue Uhr."),
    ("advice", "Anna knife castle", "de", "ein neues Messer."),
    ("advice", "Anna hat castle", "de", "einen neuen Hut."),
    ("advice", "Anna map castle", "no", "et nytt kart."),
    ("advice", "Anna bag castle", "no", "ei ny veske."),
    ("advice", "Anna key castle", "es", "otra llave."),
    ("advice", "Anna hat castle", "es", "otro sombrero."),
    ("advice", "Anna umbrella castle", "en", "a new umbrella."),
    ("story", "Anna clock castle", "de", "verlor sie nie wieder."),
    ("story", "Anna knife castle", "de", "verlor es nie wieder."),
    ("story", "Anna hat castle", "de", "verlor ihn nie wieder."),
    ("story", "Anna map castle", "no", "mistet det aldri mer."),
    ("story", "Anna key castle", "es", "no la perdió nunca más."),
]


@pytest.mark.parametrize(("task", "concepts", "language", "ending"), ANSWERS)
def test_answers_agree_in_gender(task: str, concepts: str, language: str, ending: str) -> None:
    assert _item(task, concepts).answer(language).endswith(ending)


def test_sentences_start_with_a_capital() -> None:
    answer = _item("compare", "owl fox").answer("es")
    assert answer.startswith("El búho vive")
    assert " El zorro vive" in answer
    assert _item("summary", "Anna key lake monday 7").input("en").startswith("It was Monday, ")
