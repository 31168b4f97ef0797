"""English."""

from __future__ import annotations

from polypaca.builtin.grammars.model import Grammar, Patterns, Word


def _noun(text: str) -> Word:
    article = "an" if text[0] in "aeiou" else "a"
    return Word(text, forms={"a": f"{article} {text}"})


def _nouns(words: str) -> dict[str, Word]:
    """Nouns whose concept is the English word itself."""
    return {word: _noun(word) for word in words.split()}


def _place(preposition: str, text: str) -> Word:
    return Word(text, forms={"at": f"{preposition} the {text}", "to": f"to the {text}"})


GRAMMAR = Grammar(
    words={
        "animal": _nouns("dog cat horse fox bear rabbit owl goat duck sheep"),
        "thing": _nouns("key book lamp clock umbrella hat map bag knife bicycle"),
        "topic": _nouns("trip party concert film wedding dinner"),
        "diet": _nouns("meat fish grass honey leaves seeds"),
        "colour": _nouns("white black brown grey red"),
        "food": _nouns("tomatoes potatoes onions carrots mushrooms beans peas nuts"),
        "season": _nouns("spring summer autumn winter"),
        "day": {
            "monday": Word("Monday"),
            "tuesday": Word("Tuesday"),
            "wednesday": Word("Wednesday"),
            "thursday": Word("Thursday"),
            "friday": Word("Friday"),
            "saturday": Word("Saturday"),
            "sunday": Word("Sunday"),
        },
        "place": {
            "forest": _place("in", "forest"),
            "beach": _place("on", "beach"),
            "market": _place("at", "market"),
            "garden": _place("in", "garden"),
            "castle": _place("in", "castle"),
            "lake": _place("by", "lake"),
            "village": _place("in", "village"),
            "school": _place("at", "school"),
            "station": _place("at", "station"),
            "park": _place("in", "park"),
        },
    },
    tasks={
        "describe": Patterns(
            requests=(
                "Describe the {colour} {animal} that belongs to {name}.",
                "What can you tell me about the {colour} {animal} of {name}?",
            ),
            answer="{name} has {colour:a} {animal} that lives {home:at}. The animal eats {diet} "
            "every day and likes to sleep a lot. Everyone likes to visit the {animal} because "
            "it is so friendly.",
        ),
        "letter": Patterns(
            requests=(
                "Write a letter to {name} about the {topic} on {day}.",
                "Please write to {name} and say something about the {topic} on {day}.",
            ),
            answer="Hello {name}, how are you? It would be nice to talk a little about the "
            "{topic} on {day}. Please remember to write a letter back soon.",
        ),
        "story": Patterns(
            requests=(
                "Tell a short story about {name} and {thing:a} {place:at}.",
                "Invent a story in which {name} finds {thing:a} {place:at}.",
            ),
            answer="One morning {name} was walking {place:at} and saw {thing:a} on a bench. "
            "{name} took the {thing} home and never lost it again.",
        ),
        "compare": Patterns(
            requests=(
                "Compare the {animal} with the {other}.",
                "What is the difference between the {animal} and the {other}?",
            ),
            answer="The {animal} lives {home:at} and eats {diet}. The {other} lives "
            "{other_home:at} and eats {other_diet}. Both animals are clever and like to play.",
        ),
        "reasons": Patterns(
            requests=(
                "Give two reasons to visit the {place} with {name} in {season}.",
                "Why should I go {place:to} with {name} in {season}?",
            ),
            answer="First, it is especially beautiful {place:at} in {season}. Second, {name} "
            "knows many good stories from there, so the visit will never be boring.",
        ),
        "advice": Patterns(
            requests=(
                "{name} has lost {thing:a} {place:at}. What can be done now?",
                "Give {name} some advice, because the {thing} got lost {place:at}.",
            ),
            answer="{name} should go back {place:to} and ask the people there about the {thing}. "
            "If nobody knows anything, it is best to buy a new {thing}.",
        ),
        "recipe": Patterns(
            requests=(
                "How do I cook a soup with {food} and {second} for {number} people?",
                "Write a recipe for a soup of {food} and {second} that is enough for "
                "{number} people.",
            ),
            answer="Wash the {food} and cut the {second} into small pieces. Cook everything in "
            "hot water with a little salt. After half an hour the soup for {number} people is "
            "ready.",
        ),
        "summary": Patterns(
            requests=(
                "Summarise the text in one sentence.",
                "Say briefly what happened in this text.",
            ),
            input="It was {day}, and {name} was {place:at}. There was {thing:a} for sale there. "
            "The price was {number} euros, and {name} said yes at once.",
            answer="On {day} {name} bought {thing:a} {place:at} and had to pay {number} euros "
            "for it.",
        ),
    },
    phrases={
        "see": "I see {thing:a} {place:at}.",
        "own": "{name} has {colour:a} {animal}.",
        "when": "The {topic} is on {day}.",
        "need": "We need {food} and {second}.",
        "go": "In {season} we go {place:to}.",
        "cost": "The {thing} costs {number} euros.",
    },
)
