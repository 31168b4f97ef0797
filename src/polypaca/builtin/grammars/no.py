"""Norwegian (Bokmål): three genders, the definite form as an ending."""

from __future__ import annotations

from polypaca.builtin.grammars.model import Grammar, Patterns, Word

_GENDERS = {"en": "m", "ei": "f", "et": "n"}


def _noun(noun: str, definite: str, at: str = "i") -> Word:
    """A noun from its dictionary entry, `en hund`, and its definite form, `hunden`.

    `at` is the preposition that a place goes with.
    """
    article, text = noun.split(" ", 1)
    neuter = article == "et"
    forms = {
        "en": noun,
        "en ny": f"{article} {'nytt' if neuter else 'ny'} {text}",
        "def": definite,
        "den": "det" if neuter else "den",
        "at": f"{at} {definite}",
        "to": f"til {definite}",
    }
    return Word(text, _GENDERS[article], forms)


def _adjective(common: str, neuter: str, definite: str) -> Word:
    """An adjective with its article, by gender: `en grå`, `den grå`."""
    forms = {
        "en m": f"en {common}",
        "en f": f"ei {common}",
        "en n": f"et {neuter}",
        "den m": f"den {definite}",
        "den f": f"den {definite}",
        "den n": f"det {definite}",
    }
    return Word(common, forms=forms)


def _plural(text: str, definite: str) -> Word:
    return Word(text, forms={"def": definite})


GRAMMAR = Grammar(
    words={
        "animal": {
            "dog": _noun("en hund", "hunden"),
            "cat": _noun("en katt", "katten"),
            "horse": _noun("en hest", "hesten"),
            "fox": _noun("en rev", "reven"),
            "bear": _noun("en bjørn", "bjørnen"),
            "rabbit": _noun("en kanin", "kaninen"),
            "owl": _noun("ei ugle", "ugla"),
            "goat": _noun("ei geit", "geita"),
            "duck": _noun("ei and", "anda"),
            "sheep": _noun("en sau", "sauen"),
        },
        "thing": {
            "key": _noun("en nøkkel", "nøkkelen"),
            "book": _noun("ei bok", "boka"),
            "lamp": _noun("ei lampe", "lampa"),
            "clock": _noun("ei klokke", "klokka"),
            "umbrella": _noun("en paraply", "paraplyen"),
            "hat": _noun("en hatt", "hatten"),
            "map": _noun("et kart", "kartet"),
            "bag": _noun("ei veske", "veska"),
            "knife": _noun("en kniv", "kniven"),
            "bicycle": _noun("en sykkel", "sykkelen"),
        },
        "topic": {
            "trip": _noun("en tur", "turen"),
            "party": _noun("en fest", "festen"),
            "concert": _noun("en konsert", "konserten"),
            "film": _noun("en film", "filmen"),
            "wedding": _noun("et bryllup", "bryllupet"),
            "dinner": _noun("en middag", "middagen"),
        },
        "diet": {
            "meat": Word("kjøtt"),
            "fish": Word("fisk"),
            "grass": Word("gress"),
            "honey": Word("honning"),
            "leaves": Word("blader"),
            "seeds": Word("frø"),
        },
        "colour": {
            "white": _adjective("hvit", "hvitt", "hvite"),
            "black": _adjective("svart", "svart", "svarte"),
            "brown": _adjective("brun", "brunt", "brune"),
            "grey": _adjective("grå", "grått", "grå"),
            "red": _adjective("rød", "rødt", "røde"),
        },
        "food": {
            "tomatoes": _plural("tomater", "tomatene"),
            "potatoes": _plural("poteter", "potetene"),
            "onions": _plural("løker", "løkene"),
            "carrots": _plural("gulrøtter", "gulrøttene"),
            "mushrooms": _plural("sopper", "soppene"),
            "beans": _plural("bønner", "bønnene"),
            "peas": _plural("erter", "ertene"),
            "nuts": _plural("nøtter", "nøttene"),
        },
        "season": {
            "spring": Word("våren"),
            "summer": Word("sommeren"),
            "autumn": Word("høsten"),
            "winter": Word("vinteren"),
        },
        "day": {
            "monday": Word("mandag"),
            "tuesday": Word("tirsdag"),
            "wednesday": Word("onsdag"),
            "thursday": Word("torsdag"),
            "friday": Word("fredag"),
            "saturday": Word("lørdag"),
            "sunday": Word("søndag"),
        },
        "place": {
            "forest": _noun("en skog", "skogen"),
            "beach": _noun("ei strand", "stranda", at="på"),
            "market": _noun("et marked", "markedet", at="på"),
            "garden": _noun("en hage", "hagen"),
            "castle": _noun("et slott", "slottet", at="på"),
            "lake": _noun("en innsjø", "innsjøen", at="ved"),
            "village": _noun("en landsby", "landsbyen"),
            "school": _noun("en skole", "skolen", at="på"),
            "station": _noun("en stasjon", "stasjonen", at="på"),
            "park": _noun("en park", "parken"),
        },
    },
    tasks={
        "describe": Patterns(
            requests=(
                "Beskriv {colour:den {animal.gender}} {animal:def} som tilhører {name}.",
                "Hva kan du fortelle meg om {colour:den {animal.gender}} {animal:def} til {name}?",
            ),
            answer="{name} har {colour:en {animal.gender}} {animal} som bor {home:at}. Dyret "
            "spiser {diet} hver dag og liker å sove mye. Alle liker å besøke {animal:def} fordi "
            "dyret er så vennlig.",
        ),
        "letter": Patterns(
            requests=(
                "Skriv et brev til {name} om {topic:def} på {day}.",
                "Vær så snill å skrive til {name} og si noe om {topic:def} på {day}.",
            ),
            answer="Hei {name}, hvordan går det med deg? Det hadde vært fint å snakke litt om "
            "{topic:def} på {day}. Husk å skrive et brev tilbake snart.",
        ),
        "story": Patterns(
            requests=(
                "Fortell en kort historie om {name} og {thing:en} {place:at}.",
                "Finn på en historie der {name} finner {thing:en} {place:at}.",
            ),
            answer="En morgen gikk {name} tur {place:at} og fikk øye på {thing:en} på en benk. "
            "{name} tok med seg {thing:def} hjem og mistet {thing:den} aldri mer.",
        ),
        "compare": Patterns(
            requests=(
                "Sammenlign {animal:def} med {other:def}.",
                "Hva er forskjellen mellom {animal:def} og {other:def}?",
            ),
            answer="{animal:def} bor {home:at} og spiser {diet}. {other:def} bor {other_home:at} "
            "og spiser {other_diet}. Begge dyrene er kloke og liker å leke.",
        ),
        "reasons": Patterns(
            requests=(
                "Gi to grunner til å besøke {place:def} med {name} om {season}.",
                "Hvorfor bør jeg dra {place:to} med {name} om {season}?",
            ),
            answer="For det første er det ekstra fint {place:at} om {season}. For det andre kan "
            "{name} mange gode historier derfra, så besøket blir aldri kjedelig.",
        ),
        "advice": Patterns(
            requests=(
                "{name} har mistet {thing:en} {place:at}. Hva kan man gjøre nå?",
                "Gi {name} et råd, fordi {thing:def} ble borte {place:at}.",
            ),
            answer="{name} bør gå tilbake {place:to} og spørre folk der om {thing:def}. Hvis "
            "ingen vet noe, er det best å kjøpe {thing:en ny}.",
        ),
        "recipe": Patterns(
            requests=(
                "Hvordan lager jeg en suppe med {food} og {second} til {number} personer?",
                "Skriv en oppskrift på en suppe av {food} og {second} som er nok til {number} "
                "personer.",
            ),
            answer="Vask {food:def} og skjær {second:def} i små biter. Kok alt i varmt vann med "
            "litt salt. Etter en halvtime er suppa til {number} personer ferdig.",
        ),
        "summary": Patterns(
            requests=(
                "Oppsummer teksten i én setning.",
                "Si kort hva som skjedde i denne teksten.",
            ),
            input="Det var {day}, og {name} var {place:at}. Der var {thing:en} til salgs. Prisen "
            "var {number} euro, og {name} sa ja med en gang.",
            answer="På {day} kjøpte {name} {thing:en} {place:at} og måtte betale {number} euro "
            "for {thing:den}.",
        ),
    },
    phrases={
        "see": "Jeg ser {thing:en} {place:at}.",
        "own": "{name} har {colour:en {animal.gender}} {animal}.",
        "when": "{topic:def} er på {day}.",
        "need": "Vi trenger {food} og {second}.",
        "go": "Om {season} drar vi {place:to}.",
        "cost": "{thing:def} koster {number} euro.",
    },
)
