"""What chatting models write beside a translation."""

from __future__ import annotations

import pytest

from polypaca.llm.records import Reply
from polypaca.translation import llm
from polypaca.translation.chatter import is_refusal, language_names
from polypaca.translation.contract import Untranslated

TEXT = "Name three rivers that flow there, please."
SPANISH = "Nombra tres ríos que fluyen por allí, por favor."
GERMAN = "Nenne bitte drei Flüsse, die dort fließen."
CHINESE = "请说出流经那里的三条河流。"
RUSSIAN = "Назовите три реки, которые там протекают."


def read(text: str, answer: str, target: str = "es") -> str | Untranslated:
    return llm.read_translation(
        text, Reply(answer, "m", "stop", 1, 1), language_names("en", target)
    )


@pytest.mark.parametrize(
    "answer",
    [
        "{}",
        "¡Claro! Aquí tienes la traducción: {}",
        "Aquí está la traducción al español: {}",
        "Here is the translation: {}",
        "Sure! Here's the Spanish translation:\n\n{}",
        "Sure, here you go: {}",
        "¡Claro! {}",
        "Spanish: {}",
        "Español (es): {}",
        "En español: «{}»",
        "[Spanish] {}",
        "Traducción: {}",
        "**Translation:** {}",
        "**Translation**: **{}**",
        "### Translation\n{}",
        'Translation: "{}"',
        "Spanish translation:\n```\n{}\n```",
        "<translation>{}</translation>",
        "Output: {}",
        'The text translates to: "{}"',
        '"{}" is the translation.',
        TEXT + " → {}",
        TEXT + "\n{}",
        f"English: {TEXT} Spanish: {{}}",
        f"{{}} ({TEXT})",
        "{} (Nota: usé «ríos».)",
        "{} Note: I used the formal form.",
        "{} I hope this helps!",
        "{} Let me know if you need anything else.",
    ],
)
def test_what_a_model_adds_is_cut(answer: str) -> None:
    assert read(TEXT, answer.format(SPANISH)) == SPANISH


@pytest.mark.parametrize(
    ("target", "answer", "expected"),
    [
        ("de", "Natürlich! Hier ist die Übersetzung: {}", GERMAN),
        ("de", "Deutsch: {}", GERMAN),
        ("de", "{} (Anmerkung: förmliche Anrede.)", GERMAN),
        ("zh", "好的，以下是翻译：{}", CHINESE),
        ("zh", "译文：{}", CHINESE),
        ("zh", "中文：“{}”", CHINESE),
        ("ru", "Конечно! Вот перевод: {}", RUSSIAN),
        ("ru", "Перевод на русский: {}", RUSSIAN),
        ("ru", "Русский: {}", RUSSIAN),
    ],
)
def test_in_any_target_language(target: str, answer: str, expected: str) -> None:
    assert read(TEXT, answer.format(expected), target) == expected


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Sure! Here is the list: one, two", "¡Claro! Aquí está la lista: uno, dos"),
        ("Translation: the cat", "Traducción: el gato"),
        ("Translate it into Spanish: the cat", "Tradúcelo al español: el gato"),
        ("Spanish: a language of Spain", "Español: una lengua de España"),
        ("Note: it rains.", "Nota: llueve."),
        ("It rains. Note: take a coat.", "Llueve. Nota: lleva un abrigo."),
        ("He said that he would come", "Dijo: vendrá"),
        ("Of course! I will come.", "¡Por supuesto! Vendré."),
        ("Here are three ideas - read them", "Aquí están tres ideas: léelas"),
        ("I hope this helps. Bye", "Espero que esto ayude. Adiós"),
        ("OK", "OK, vale"),
        ("I'm sorry, I cannot come.", "Lo siento, no puedo venir."),
        ("As an AI, I have no body.", "Como IA, no tengo cuerpo."),
        ("The *cat*", "*El gato*"),
    ],
)
def test_what_the_text_brought_stays(text: str, answer: str) -> None:
    assert read(text, answer) == answer


@pytest.mark.parametrize(
    "answer",
    [
        "Lo siento, pero no puedo ayudar con esa solicitud.",
        "I'm sorry, but I can't help with that.",
        "As an AI language model, I cannot translate this.",
        "Desculpe, mas não posso ajudar com isso.",
        "Es tut mir leid, aber ich kann dabei nicht helfen.",
        "Je suis désolé, mais je ne peux pas vous aider.",
        "Извините, но я не могу помочь с этим.",
        "抱歉，我无法提供帮助。",
        "申し訳ありませんが、お手伝いできません。",
        "क्षमा करें, मैं इसमें मदद नहीं कर सकता।",
        "দুঃখিত, আমি এতে সাহায্য করতে পারছি না।",
        "عذرًا، لا أستطيع المساعدة.",
        "Съжалявам, но не мога да помогна.",
        "Omlouvám se, ale s tím nemohu pomoci.",
        "Pahoittelen, mutta en voi auttaa.",
        "Beklager, men jeg kan ikke hjelpe med det.",
    ],
)
def test_a_refusal_is_no_translation(answer: str) -> None:
    assert is_refusal(TEXT, answer)
    assert read(TEXT, answer) == Untranslated(f"the model refused: {answer!r}")


def test_a_note_of_its_own_paragraph_is_refused() -> None:
    found = read(TEXT, f"{SPANISH}\n\nNota: he usado «ríos».")
    assert isinstance(found, Untranslated)
    assert "3 lines for 1" in found.reason
