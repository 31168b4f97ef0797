"""Spanish: two genders, `al` and `del`, adjectives that agree."""

from __future__ import annotations

from polypaca.builtin.grammars.model import Grammar, Patterns, Word


def _noun(noun: str) -> Word:
    """A noun from its dictionary entry: `el perro`, `la llave`."""
    article, text = noun.split(" ", 1)
    masculine = article == "el"
    forms = {
        "el": noun,
        "un": f"{'un' if masculine else 'una'} {text}",
        "otro": f"{'otro' if masculine else 'otra'} {text}",
        "lo": "lo" if masculine else "la",
        "at": f"en {noun}",
        "to": f"al {text}" if masculine else f"a {noun}",
    }
    return Word(text, "m" if masculine else "f", forms)


def _adjective(masculine: str) -> Word:
    feminine = masculine[:-1] + "a" if masculine.endswith("o") else masculine
    return Word(masculine, forms={"m": masculine, "f": feminine})


def _plural(noun: str) -> Word:
    return Word(noun.split(" ", 1)[1], forms={"los": noun})


GRAMMAR = Grammar(
    words={
        "animal": {
            "dog": _noun("el perro"),
            "cat": _noun("el gato"),
            "horse": _noun("el caballo"),
            "fox": _noun("el zorro"),
            "bear": _noun("el oso"),
            "rabbit": _noun("el conejo"),
            "owl": _noun("el búho"),
            "goat": _noun("la cabra"),
            "duck": _noun("el pato"),
            "sheep": _noun("la oveja"),
        },
        "thing": {
            "key": _noun("la llave"),
            "book": _noun("el libro"),
            "lamp": _noun("la lámpara"),
            "clock": _noun("el reloj"),
            "umbrella": _noun("el paraguas"),
            "hat": _noun("el sombrero"),
            "map": _noun("el mapa"),
            "bag": _noun("la bolsa"),
            "knife": _noun("el cuchillo"),
            "bicycle": _noun("la bicicleta"),
        },
        "topic": {
            "trip": _noun("el viaje"),
            "party": _noun("la fiesta"),
            "concert": _noun("el concierto"),
            "film": _noun("la película"),
            "wedding": _noun("la boda"),
            "dinner": _noun("la cena"),
        },
        "diet": {
            "meat": Word("carne"),
            "fish": Word("pescado"),
            "grass": Word("hierba"),
            "honey": Word("miel"),
            "leaves": Word("hojas"),
            "seeds": Word("semillas"),
        },
        "colour": {
            "white": _adjective("blanco"),
            "black": _adjective("negro"),
            "brown": _adjective("marrón"),
            "grey": _adjective("gris"),
            "red": _adjective("rojo"),
        },
        "food": {
            "tomatoes": _plural("los tomates"),
            "potatoes": _plural("las patatas"),
            "onions": _plural("las cebollas"),
            "carrots": _plural("las zanahorias"),
            "mushrooms": _plural("las setas"),
            "beans": _plural("las judías"),
            "peas": _plural("los guisantes"),
            "nuts": _plural("las nueces"),
        },
        "season": {
            "spring": Word("primavera"),
            "summer": Word("verano"),
            "autumn": Word("otoño"),
            "winter": Word("invierno"),
        },
        "day": {
            "monday": Word("lunes"),
            "tuesday": Word("martes"),
            "wednesday": Word("miércoles"),
            "thursday": Word("jueves"),
            "friday": Word("viernes"),
            "saturday": Word("sábado"),
            "sunday": Word("domingo"),
        },
        "place": {
            "forest": _noun("el bosque"),
            "beach": _noun("la playa"),
            "market": _noun("el mercado"),
            "garden": _noun("el jardín"),
            "castle": _noun("el castillo"),
            "lake": _noun("el lago"),
            "village": _noun("el pueblo"),
            "school": _noun("la escuela"),
            "station": _noun("la estación"),
            "park": _noun("el parque"),
        },
    },
    tasks={
        "describe": Patterns(
            requests=(
                "Describe {animal:el} {colour:{animal.gender}} que pertenece a {name}.",
                "¿Qué puedes contarme sobre {animal:el} {colour:{animal.gender}} de {name}?",
            ),
            answer="{name} tiene {animal:un} {colour:{animal.gender}} que vive {home:at}. El "
            "animal come {diet} todos los días y le gusta dormir mucho. A todos les gusta "
            "visitar {animal:to} porque es muy amable.",
        ),
        "letter": Patterns(
            requests=(
                "Escribe una carta a {name} sobre {topic:el} del {day}.",
                "Por favor, escribe a {name} y di algo sobre {topic:el} del {day}.",
            ),
            answer="Hola, {name}, ¿cómo estás? Sería bonito hablar un poco sobre {topic:el} del "
            "{day}. Por favor, acuérdate de escribirme pronto una carta.",
        ),
        "story": Patterns(
            requests=(
                "Cuenta una historia corta sobre {name} y {thing:un} {place:at}.",
                "Inventa una historia en la que {name} encuentra {thing:un} {place:at}.",
            ),
            answer="Una mañana {name} paseaba {place:at} y vio {thing:un} en un banco. "
            "{name} llevó {thing:el} a casa y no {thing:lo} perdió nunca más.",
        ),
        "compare": Patterns(
            requests=(
                "Compara {animal:el} con {other:el}.",
                "¿Cuál es la diferencia entre {animal:el} y {other:el}?",
            ),
            answer="{animal:el} vive {home:at} y come {diet}. {other:el} vive {other_home:at} y "
            "come {other_diet}. Los dos animales son listos y les gusta jugar.",
        ),
        "reasons": Patterns(
            requests=(
                "Da dos razones para visitar {place:el} con {name} en {season}.",
                "¿Por qué debería ir {place:to} con {name} en {season}?",
            ),
            answer="Primero, se está especialmente bien {place:at} en {season}. Segundo, {name} "
            "conoce muchas historias buenas de allí, así que la visita nunca será aburrida.",
        ),
        "advice": Patterns(
            requests=(
                "{name} ha perdido {thing:un} {place:at}. ¿Qué se puede hacer ahora?",
                "Dale un consejo a {name}, porque {thing:el} se perdió {place:at}.",
            ),
            answer="{name} debería volver {place:to} y preguntar a la gente de allí por "
            "{thing:el}. Si nadie sabe nada, lo mejor es comprar {thing:otro}.",
        ),
        "recipe": Patterns(
            requests=(
                "¿Cómo preparo una sopa con {food} y {second} para {number} personas?",
                "Escribe una receta de sopa de {food} y {second} que alcance para {number} "
                "personas.",
            ),
            answer="Lava {food:los} y corta {second:los} en trozos pequeños. Cocina todo en agua "
            "caliente con un poco de sal. Después de media hora la sopa para {number} personas "
            "está lista.",
        ),
        "summary": Patterns(
            requests=(
                "Resume el texto en una frase.",
                "Di brevemente qué pasó en este texto.",
            ),
            input="Era {day}, y {name} estaba {place:at}. Allí se vendía {thing:un}. El precio "
            "era de {number} euros, y {name} dijo que sí enseguida.",
            answer="El {day} {name} compró {thing:un} {place:at} y tuvo que pagar {number} euros.",
        ),
    },
    phrases={
        "see": "Veo {thing:un} {place:at}.",
        "own": "{name} tiene {animal:un} {colour:{animal.gender}}.",
        "when": "{topic:el} es el {day}.",
        "need": "Necesitamos {food} y {second}.",
        "go": "En {season} vamos {place:to}.",
        "cost": "{thing:el} cuesta {number} euros.",
    },
)
