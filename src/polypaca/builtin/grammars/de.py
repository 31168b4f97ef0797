"""German: three genders, four forms of each article, adjectives after both articles."""

from __future__ import annotations

from polypaca.builtin.grammars.model import Grammar, Patterns, Word

_GENDERS = {"der": "m", "die": "f", "das": "n"}
_DEFINITE = {"m": ("der", "den", "dem"), "f": ("die", "die", "der"), "n": ("das", "das", "dem")}
_A = {"m": "einen", "f": "eine", "n": "ein"}  # accusative, as all our indefinite objects are
_A_NEW = {"m": "einen neuen", "f": "eine neue", "n": "ein neues"}
_IT = {"m": "ihn", "f": "sie", "n": "es"}


def _noun(noun: str, oblique: str = "", at: str = "", to: str = "") -> Word:
    """A noun from its dictionary entry: `der Hund`; weak nouns give their oblique form.

    `at` and `to` are the prepositions, contracted with the article, that a place goes with.
    """
    article, text = noun.split(" ", 1)
    gender = _GENDERS[article]
    oblique = oblique or text
    the, the_object, the_dative = _DEFINITE[gender]
    forms = {
        "object": oblique,
        "der": f"{the} {text}",
        "den": f"{the_object} {oblique}",
        "dem": f"{the_dative} {oblique}",
        "einen": f"{_A[gender]} {oblique}",
        "einen neuen": f"{_A_NEW[gender]} {oblique}",
        "ihn": _IT[gender],
        "rel": the,
        "at": f"{at} {text}",
        "to": f"{to} {text}",
    }
    return Word(text, gender, forms)


def _adjective(stem: str) -> Word:
    """An adjective with its article in the accusative, by gender: `den grauen`, `ein graues`."""
    forms = {
        "den m": f"den {stem}en",
        "den f": f"die {stem}e",
        "den n": f"das {stem}e",
        "einen m": f"einen {stem}en",
        "einen f": f"eine {stem}e",
        "einen n": f"ein {stem}es",
    }
    return Word(stem, forms=forms)


def _plural(text: str) -> Word:
    return Word(text, forms={"dative": text if text.endswith("n") else f"{text}n"})


GRAMMAR = Grammar(
    words={
        "animal": {
            "dog": _noun("der Hund"),
            "cat": _noun("die Katze"),
            "horse": _noun("das Pferd"),
            "fox": _noun("der Fuchs"),
            "bear": _noun("der Bär", oblique="Bären"),
            "rabbit": _noun("das Kaninchen"),
            "owl": _noun("die Eule"),
            "goat": _noun("die Ziege"),
            "duck": _noun("die Ente"),
            "sheep": _noun("das Schaf"),
        },
        "thing": {
            "key": _noun("der Schlüssel"),
            "book": _noun("das Buch"),
            "lamp": _noun("die Lampe"),
            "clock": _noun("die Uhr"),
            "umbrella": _noun("der Regenschirm"),
            "hat": _noun("der Hut"),
            "map": _noun("die Landkarte"),
            "bag": _noun("die Tasche"),
            "knife": _noun("das Messer"),
            "bicycle": _noun("das Fahrrad"),
        },
        "topic": {
            "trip": _noun("die Reise"),
            "party": _noun("das Fest"),
            "concert": _noun("das Konzert"),
            "film": _noun("der Film"),
            "wedding": _noun("die Hochzeit"),
            "dinner": _noun("das Abendessen"),
        },
        "diet": {
            "meat": Word("Fleisch"),
            "fish": Word("Fisch"),
            "grass": Word("Gras"),
            "honey": Word("Honig"),
            "leaves": Word("Blätter"),
            "seeds": Word("Samen"),
        },
        "colour": {
            "white": _adjective("weiß"),
            "black": _adjective("schwarz"),
            "brown": _adjective("braun"),
            "grey": _adjective("grau"),
            "red": _adjective("rot"),
        },
        "food": {
            "tomatoes": _plural("Tomaten"),
            "potatoes": _plural("Kartoffeln"),
            "onions": _plural("Zwiebeln"),
            "carrots": _plural("Karotten"),
            "mushrooms": _plural("Pilze"),
            "beans": _plural("Bohnen"),
            "peas": _plural("Erbsen"),
            "nuts": _plural("Nüsse"),
        },
        "season": {
            "spring": Word("Frühling"),
            "summer": Word("Sommer"),
            "autumn": Word("Herbst"),
            "winter": Word("Winter"),
        },
        "day": {
            "monday": Word("Montag"),
            "tuesday": Word("Dienstag"),
            "wednesday": Word("Mittwoch"),
            "thursday": Word("Donnerstag"),
            "friday": Word("Freitag"),
            "saturday": Word("Samstag"),
            "sunday": Word("Sonntag"),
        },
        "place": {
            "forest": _noun("der Wald", at="im", to="in den"),
            "beach": _noun("der Strand", at="am", to="an den"),
            "market": _noun("der Markt", at="auf dem", to="auf den"),
            "garden": _noun("der Garten", at="im", to="in den"),
            "castle": _noun("das Schloss", at="im", to="ins"),
            "lake": _noun("der See", at="am", to="an den"),
            "village": _noun("das Dorf", at="im", to="ins"),
            "school": _noun("die Schule", at="in der", to="in die"),
            "station": _noun("der Bahnhof", at="am", to="zum"),
            "park": _noun("der Park", at="im", to="in den"),
        },
    },
    tasks={
        "describe": Patterns(
            requests=(
                "Beschreibe {colour:den {animal.gender}} {animal:object}, {animal:rel} {name} "
                "gehört.",
                "Was kannst du mir über {colour:den {animal.gender}} {animal:object} von {name} "
                "erzählen?",
            ),
            answer="{name} hat {colour:einen {animal.gender}} {animal:object}, {animal:rel} "
            "{home:at} lebt. Das Tier frisst jeden Tag {diet} und schläft gern viel. Alle "
            "besuchen {animal:den} gern, weil das Tier so freundlich ist.",
        ),
        "letter": Patterns(
            requests=(
                "Schreibe einen Brief an {name} über {topic:den} am {day}.",
                "Bitte schreibe an {name} und sag etwas über {topic:den} am {day}.",
            ),
            answer="Hallo {name}, wie geht es dir? Es wäre schön, ein wenig über {topic:den} am "
            "{day} zu sprechen. Bitte denk daran, mir bald einen Brief zurückzuschreiben.",
        ),
        "story": Patterns(
            requests=(
                "Erzähle eine kurze Geschichte über {name} und {thing:einen} {place:at}.",
                "Erfinde eine Geschichte, in der {name} {place:at} {thing:einen} findet.",
            ),
            answer="Eines Morgens ging {name} {place:at} spazieren und sah {thing:einen} auf einer "
            "Bank. {name} nahm {thing:den} mit nach Hause und verlor {thing:ihn} nie "
            "wieder.",
        ),
        "compare": Patterns(
            requests=(
                "Vergleiche {animal:den} mit {other:dem}.",
                "Was ist der Unterschied zwischen {animal:dem} und {other:dem}?",
            ),
            answer="{animal:der} lebt {home:at} und frisst {diet}. {other:der} lebt "
            "{other_home:at} und frisst {other_diet}. Beide Tiere sind klug und spielen gern.",
        ),
        "reasons": Patterns(
            requests=(
                "Nenne zwei Gründe, {place:den} im {season} mit {name} zu besuchen.",
                "Warum sollte ich im {season} mit {name} {place:to} gehen?",
            ),
            answer="Erstens ist es {place:at} im {season} besonders schön. Zweitens kennt {name} "
            "viele gute Geschichten von dort, also wird der Besuch nie langweilig.",
        ),
        "advice": Patterns(
            requests=(
                "{name} hat {place:at} {thing:einen} verloren. Was kann man jetzt tun?",
                "Gib {name} einen Rat, denn {thing:der} ging {place:at} verloren.",
            ),
            answer="{name} sollte {place:to} zurückgehen und die Leute dort nach {thing:dem} "
            "fragen. Wenn niemand etwas weiß, kauft man am besten {thing:einen neuen}.",
        ),
        "recipe": Patterns(
            requests=(
                "Wie koche ich eine Suppe mit {food:dative} und {second:dative} für {number} "
                "Personen?",
                "Schreibe ein Rezept für eine Suppe aus {food:dative} und {second:dative}, die "
                "für {number} Personen reicht.",
            ),
            answer="Wasche die {food} und schneide die {second} in kleine Stücke. Koche alles "
            "mit etwas Salz in heißem Wasser. Nach einer halben Stunde ist die Suppe für "
            "{number} Personen fertig.",
        ),
        "summary": Patterns(
            requests=(
                "Fasse den Text in einem Satz zusammen.",
                "Sag kurz, was in diesem Text passiert ist.",
            ),
            input="Es war {day}, und {name} war {place:at}. Dort gab es {thing:einen} zu kaufen. "
            "Der Preis war {number} Euro, und {name} sagte sofort ja.",
            answer="Am {day} kaufte {name} {place:at} {thing:einen} und musste dafür {number} "
            "Euro bezahlen.",
        ),
    },
    phrases={
        "see": "Ich sehe {thing:einen} {place:at}.",
        "own": "{name} hat {colour:einen {animal.gender}} {animal:object}.",
        "when": "{topic:der} ist am {day}.",
        "need": "Wir brauchen {food} und {second}.",
        "go": "Im {season} gehen wir {place:to}.",
        "cost": "{thing:der} kostet {number} Euro.",
    },
)
