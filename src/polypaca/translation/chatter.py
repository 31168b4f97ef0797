"""What a chatting model writes beside a translation: how it begins, what it adds, that it refuses.

Nothing counts as chatter that the text itself may have brought: "Sure! Here is the list: ..." is
answered by "¡Claro! Aquí está la lista: ...".
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

# Beginnings of the word for a translation, in the languages that are translated into most.
_TRANSLATION = re.compile(
    r"\b(?:translat|traduc|traduz|tradução|traduction|tradotto|übersetz|vertaling|vertaald"
    r"|översätt"
    r"|oversett|oversæt|omsetjing|käänn|tõlge|fordít|tłumacz|przetłum|překlad|přelož|preklad"
    r"|prelož"
    r"|prevod|prijevod|vertim|tulkoj|itzul|çeviri|tərcümə|tarjima|terjemah|tafsiri|salin|þýðing"
    r"|aistriú|cyfieith|përkth|превод|перевод|переклад|переведен|перекла|аударма|котормо|пераклад"
    r"|μετάφρ|թարգման)\w*"
    r"|\bbản dịch\b|\bdịch\b|ترجم|تרגום|תרגום|अनुवाद|भाषांतर|অনুবাদ|અનુવાદ|ਅਨੁਵਾਦ|మனுவாதம்|అనువాద"
    r"|ಅನುವಾದ|വിവർത്തന|മൊഴിമാറ്റ|மொழிபெயர்|翻译|翻譯|译文|譯文|译为|譯為|翻訳|訳文|和訳|번역|คำแปล|แปล|თარგმან",
    re.IGNORECASE,
)
# "Of course!" and its like, which promise what follows.
_PROMISE = (
    r"sure(?: thing)?|certainly|of course|absolutely|okay|ok|gladly|no problem|claro(?: que sí)?"
    r"|por supuesto|desde luego|con (?:mucho )?gusto|com certeza|pois não|bien sûr|certainement"
    r"|volontiers|d'accord|certo|certamente|volentieri|natürlich|gerne?|selbstverständlich|klar"
    r"|natuurlijk|zeker|graag|självklart|naturligtvis|javisst|selvfølgelig|naturligvis|gjerne"
    r"|toki"
    r"|totta kai|selvä|oczywiście|jasne|samozřejmě|jistě|samozrejme|iste|desigur|sigur|natural"
    r"|természetesen|persze|конечно|разумеется|хорошо|звичайно|разбира се|добре|наравно|naravno"
    r"|βεβαίως|φυσικά|tabii(?: ki)?|elbette|بالطبع|بالتأكيد|حسن[اً]+|البته|حتما|בטח|כמובן"
    r"|बिल्कुल|ज़रूर|जरूर|निश्चित रूप से|बेशक|অবশ্যই|নিশ্চয়ই|当然(?:可以)?|好的|没问题|當然"
    r"|沒問題"
    r"|もちろん(?:です)?|はい|承知しました|물론(?:이죠|입니다)?|네|알겠습니다|tentu(?: saja)?"
    r"|baik"
    r"|dĩ nhiên|tất nhiên|chắc chắn rồi|vâng|แน่นอน(?:ครับ|ค่ะ)?|hakika|per descomptat"
)
# "Here is" and its like.
_HERE = (
    r"here(?: is|'s|’s| are| you go)|below is|aquí (?:tienes|está"
    r"|va|te"
    r"|la|el)|a continuación|aqui está|aqui vai|segue|abaixo|voici|ci-dessous"
    r"|ecco|di seguito|hier (?:ist|sind|die|der|is|volgt)|här (?:är|kommer)"
    r"|her (?:er|"
    r"kommer)|tässä|alla on|oto|poniżej|zde je|tady je|tu je|níže|iată|aici|mai jos|íme"
    r"|itt (?:van|a)"
    r"|вот|ниже|ось|ето|ево|evo|ορίστε|ακολουθεί|işte|aşağıda|إليك|هنا|در اینجا"
    r"|הנה"
    r"|यहाँ|यहां|ये रहा|नीचे|এখানে|নিচে|以下是|下面是|以下は|以下が|こちら|다음은"
    r"|여기|berikut"
    r"|dưới đây|ต่อไปนี้|hapa|aquí teniu"
)
_OPENING = re.compile(
    rf"\W*(?:(?:{_PROMISE})(?!\w)\W*)+(?:(?:{_HERE}).*)?|\W*(?:{_HERE})(?!\w).*",
    re.IGNORECASE | re.DOTALL,
)
_PROMISED = re.compile(rf"\s*¡?(?:{_PROMISE})\s*[!！]\s*(?=\S)", re.IGNORECASE)
_NOTE = (
    r"(?:translator(?:'s|’s)? |important )?notes?|nota(?: del traductor| do tradutor"
    r"| della? traduttor\w+)?"
    r"|note(?: du traducteur)?|remarque|n\.? ?d\.? ?t\.?|anmerkung(?: des übersetzers)?|hinweis"
    r"|opmerking|noot|anm(?:ärkning|erkning|ærkning)?|merknad|bemærk|huomautus|huom|uwaga|przypis"
    r"|poznámka|notă|megjegyzés|примечание|прим|заметка|примітка|бележка|забележка|напомена"
    r"|napomena"
    r"|σημείωση|not(?=\s?:)|ملاحظة|ملحوظة|توجه|یادداشت|הערה|नोट|टिप्पणी|ध्यान दें|নোট|দ্রষ্টব্য"
    r"|注意?|备注|備註|译注|譯注"
    r"|说明|說明|訳注|注記|참고|주|catatan|lưu ý|ghi chú|chú thích|หมายเหตุ|explanation"
    r"|explicación|erklärung"
)
_NOTE_WORD = re.compile(rf"(?<!\w)(?:{_NOTE})(?!\w)", re.IGNORECASE)
_TAIL = re.compile(
    rf"[^\S\n]*[(（\[][*_]*(?:{_NOTE})[*_]*\s*[:：].*[)）\]]\W*$"
    rf"|(?<=[.!?…。！？।\"”»'*)])[^\S\n]*[*_(]*(?:{_NOTE})[*_]*\s*[:：].*$",
    re.IGNORECASE | re.DOTALL,
)
_FAREWELL = re.compile(
    r"(?<=[.!?…。！？।\"”»])\s+(?:(?:i )?hope (?:this|that) (?:helps|is)"
    r"|(?:please )?let me know if"
    r"|feel free to|is there anything|would you like|do you (?:need|want) (?:me|any)"
    r"|if you (?:need|have|want)"
    r"|espero que (?:esto|te|le|isso|ajude)|(?:si|se) (?:necesitas|tienes|precisar|tiver)"
    r"|¿(?:necesitas|hay algo|quieres que|te gustaría)|(?:posso|puedo) (?:ajudar|ayudarte)"
    r"|j'espère que|n'hésitez pas|ich hoffe|lassen sie|lass mich|gibt es sonst|надеюсь"
    r"|если (?:вам|у вас)"
    r"|希望(?:这|這)|如果您|如有)[^\n]*$",
    re.IGNORECASE,
)

# Words of regret and of not being able, as refusals have them side by side.
_REFUSALS = (
    (r"sorry|apologi[sz]e|unfortunately|apologies|regret|afraid",
     r"can(?:not|'t|’t)|unable|not able|won['’]t|not comfortable"),
    (r"lo siento|lamento|disculpa|perdón|desafortunadamente|lamentablemente",
     r"no (?:puedo|podemos|es posible|me es posible|soy capaz)"),
    (r"desculp|lamento|sinto muito|infelizmente", r"não (?:posso|consigo|podemos|sou capaz)"),
    (r"désolé|regrette|malheureusement|excuse", r"ne (?:peux|puis|suis)|n['’]est pas possible"),
    (r"mi dispiace|spiacente|purtroppo|scus", r"non (?:posso|sono in grado)"),
    (r"ho sento|malauradament", r"no puc"),
    (r"leid|leider|entschuldig|bedau", r"nicht|keine|unmöglich"),
    (r"sorry|spijt|helaas", r"(?:kan|mag) .{0,30}(?:niet|geen)"),
    (r"tyvärr|beklag|desværre|dessverre|ledsen|undskyld|unnskyld|förlåt",
     r"kan .{0,30}(?:inte|ikke|ikkje)"),
    (r"pahoittel|valitettavasti|pahoillani|anteeksi", r"en (?:voi|pysty)"),
    (r"vabanda|kahjuks", r"ei saa"),
    (r"przykro|przepraszam|niestety", r"nie (?:mogę|jestem)"),
    (r"omlouv|líto|bohužel|ospravedl|prepáč|žiaľ", r"nem[oô]h?[užž][eu]?m?|nemohu"),
    (r"žao|nažalost|oprosti|izvini|žal", r"ne (?:mogu|morem)"),
    (r"жао|нажалост|извини|опрости", r"не могу"),
    (r"извин|прост|сожал", r"не (?:могу|в состоянии)"),
    (r"вибач|жаль|перепрош", r"не можу"),
    (r"съжал|извин", r"не мога"),
    (r"îmi pare rău|ne pare rău|scuz|păcate", r"nu pot"),
    (r"sajnál|elnéz|sajnos", r"nem (?:tud|áll|lehet)"),
    (r"λυπάμαι|συγγνώμη|δυστυχώς", r"δεν μπορώ"),
    (r"üzgün|özür|maalesef", r"\w+[ea]m(?:em|am|ıyor|iyor)\w*|mümkün değil"),
    (r"آسف|عذر|أعتذر|للأسف", r"لا (?:أستطيع|يمكنني|أقدر|يمكن)"),
    (r"متأسف|متاسف|ببخشید", r"نمی"),
    (r"معذرت|معاف", r"نہیں"),
    (r"מצטער|סליחה|צר לי", r"לא (?:יכול|אוכל|ניתן)"),
    (r"क्षमा|माफ़|माफ|खेद", r"नहीं|असमर्थ"),
    (r"দুঃখিত|ক্ষমা", r"পারি না|পারছি না|পারব না|অক্ষম|সম্ভব নয়"),
    (r"மன்னி", r"முடியாது|இயலாது"),
    (r"క్షమించ", r"లేను"),
    (r"抱歉|对不起|對不起|很遗憾|很遺憾", r"无法|不能|無法|没办法|沒辦法|不可以"),
    (r"申し訳|すみません|ごめん", r"できません|かねます|できない"),
    (r"죄송|미안", r"수 없|어렵"),
    (r"xin lỗi|rất tiếc", r"không thể"),
    (r"maaf", r"tidak (?:dapat|bisa|boleh|mampu)"),
    (r"ขออภัย|ขอโทษ", r"ไม่สามารถ|ไม่ได้"),
    (r"samahani|pole", r"siwezi"),
    (r"atsipraš|deja", r"negal"),
    (r"atvain|diemžēl", r"nevar"),
)  # fmt: skip
_REGRET = re.compile("|".join(regret for regret, _ in _REFUSALS), re.IGNORECASE)
# Regret in the first words, and soon after it what cannot be done.
_REFUSAL = re.compile(
    "|".join(rf".{{0,30}}(?:{one}).{{0,60}}?(?:{other})" for one, other in _REFUSALS),
    re.IGNORECASE | re.DOTALL,
)
_MODEL = re.compile(
    r"\bas an? (?:ai|artificial|language model|large language)\b|\bi(?:'m"
    r"| am) (?:just )?an? (?:ai|language model)\b"
    r"|\bcomo (?:una? )?(?:ia|inteligencia artificial|modelo de lengua\w+"
    r"|inteligência artificial)\b"
    r"|\ben tant qu['’](?:ia|intelligence artificielle|modèle)|\bals (?:ki|ai|sprachmodell)\b"
    r"|как (?:ии|языковая модель|искусственный интеллект)|作为(?:一个|一名)?(?:ai|人工智能"
    r"|语言模型)"
    r"|\bi (?:can(?:not|'t|’t)|am unable to|am not able to|won['’]t) (?:help|assist|translate"
    r"|provide|comply|fulfil)"
    r"|\bno puedo (?:ayudar|traducir|cumplir)|\bnão posso (?:ajudar|traduzir)"
    r"|\bje ne peux pas (?:aider|traduire)"
    r"|我(?:不能|无法)(?:翻译|提供|协助|帮助)",
    re.IGNORECASE,
)
_ABILITY = re.compile(r"\bcan(?:not|'t|’t)\b|\bunable\b|\bnot able\b|\bwon['’]t\b", re.IGNORECASE)

# What parts a beginning from the translation.
_HEAD = re.compile(r"([^:：→⇒\n]{1,160}?)\s*(?:[:：]|→|⇒|=>|->)[*_]*\s*(?=\S)")
_SEPARATOR = re.compile(r"[:：→⇒]|=>|->")
_DASH = re.compile(r"\s[-–—]\s|—|;")
_ECHO_END = re.compile(r"\s*(?:[-–—→⇒=>:：|/]+|\n)\s*")
_SMALL = re.compile(
    "in|into|to|the|a|en|al|auf|ins|na|på|til|în|por|para|version|text|le|la|el|в|на|中"
)
_OUTPUT = re.compile(
    "output|answer|result|response|respuesta|salida|resposta|réponse|antwort|ответ|答案|回答|输出"
)
# Other forms: a heading, a label in brackets, a quotation with something said of it.
_HEADING = re.compile(r"\s*(?:#{1,6}\s*|\*\*)([^\n]{1,60}?)\**\s*\n\s*(?=\S)")
_BRACKETED = re.compile(r"\s*[\[(]([^\[\]()\n]{1,40})[\])]\s*(?=\S)")
_QUOTED = re.compile(r"([\"“«„])([^\"“”«»„]+)[\"”»“]\W+([^\n]{1,80})")
_SHORT = 2  # words of a label such as "Spanish translation"
_ECHO_WORDS = 3  # a text of fewer may well stand in its own translation


@lru_cache(maxsize=256)
def language_names(*codes: str) -> frozenset[str]:
    """How languages are called, in English, by themselves and by one another; and their codes."""
    import langcodes

    found: set[str] = set()
    for code in codes:
        language = langcodes.Language.get(code)
        plain = langcodes.Language.get(language.language or code)
        found |= {code, plain.autonym(), language.autonym()}
        for other in {"en", *codes}:
            found |= {plain.display_name(other), language.display_name(other)}
    return frozenset(name.casefold() for name in found if name)


def without_chatter(text: str, answer: str, names: Iterable[str]) -> str:
    """An answer without what a model wrote before and behind the translation of `text`.

    Args:
        text: what was to be translated, without outer white space.
        answer: what the model wrote, without outer white space.
        names: how the two languages are called: see `language_names`.
    """
    return _without_tail(text, _without_head(text, answer, frozenset(names)))


def is_refusal(text: str, answer: str) -> bool:
    """Whether an answer says that it will not translate `text`, which says nothing of the kind."""
    if _MODEL.search(answer[:200]) and not (_MODEL.search(text) or _ABILITY.search(text)):
        return True
    return _REFUSAL.match(answer) is not None and _REGRET.search(text) is None


def _without_head(text: str, answer: str, names: frozenset[str]) -> str:
    cuts = (_behind_echo(text, answer), _behind_label(text, answer, names), _quoted(text, answer))
    found = next((cut for cut in cuts if cut is not None), None)
    if found is not None:
        return found
    promise = _PROMISED.match(answer)
    if promise and answer.count("!") > text.count("!") and not _OPENING.fullmatch(_first(text)):
        return answer[promise.end() :]
    return answer


def _behind_echo(text: str, answer: str) -> str | None:
    if answer == text or not answer.startswith(text) or len(text.split()) < _ECHO_WORDS:
        return None
    rest = answer[len(text) :]
    parted = _ECHO_END.match(rest)
    if parted and parted.end() < len(rest):
        return rest[parted.end() :]
    return rest.strip() if rest[0].isspace() and text[-1] in ".!?" else None


def _behind_label(text: str, answer: str, names: frozenset[str]) -> str | None:
    head = _HEAD.match(answer)
    if head and _is_beginning(head[1], text, answer, names):
        return answer[head.end() :]
    for form in (_HEADING, _BRACKETED):
        label = form.match(answer)
        if label and not form.match(text) and _names_itself(label[1], names):
            return answer[label.end() :]
    return None


def _quoted(text: str, answer: str) -> str | None:
    quoted = _QUOTED.fullmatch(answer)
    if quoted and _TRANSLATION.search(quoted[3]) and not _TRANSLATION.search(text):
        return quoted[2]
    return None


def _is_beginning(head: str, text: str, answer: str, names: frozenset[str]) -> bool:
    """Whether what stands before the first colon or arrow is about the translation, not of it."""
    added = len(_SEPARATOR.findall(answer)) > len(_SEPARATOR.findall(text))
    first = _first(text) or text
    if _TRANSLATION.search(head):
        # A text about translation may have gained a colon of its own.
        return not _TRANSLATION.search(text) or (added and len(head.split()) <= _SHORT)
    if _is_label(head, names):
        return not _is_label(first, names) if text == first or not added else True
    # A dash may have become a colon: "this is why - it rained".
    opens = _OPENING.fullmatch(head) is not None and not _OPENING.match(text)
    return added and opens and not _DASH.search(text)


def _names_itself(label: str, names: frozenset[str]) -> bool:
    about = _TRANSLATION.search(label) is not None and len(label.split()) <= _SHORT + 1
    return about or _is_label(label, names)


def _is_label(head: str, names: frozenset[str]) -> bool:
    words = re.sub(r"[^\w\s]", " ", head.casefold()).split()
    plain = " ".join(words)
    if plain in names:
        return True
    if _OUTPUT.fullmatch(plain):
        return True
    left = [word for word in words if not _SMALL.fullmatch(word)]
    return 0 < len(left) <= 2 and (" ".join(left) in names or all(w in names for w in left))


def _first(text: str) -> str:
    """What stands before a text's first colon; nothing if it has none."""
    head = _HEAD.match(text)
    return head[1] if head else ""


def _without_tail(text: str, answer: str) -> str:
    kept = answer
    if len(text.split()) >= _ECHO_WORDS and kept.rstrip(")）]").endswith(text) and kept != text:
        before = kept.rstrip(")）]").removesuffix(text).rstrip()
        parted = re.search(r"(?:[(（\[/|=]|[-–—]|←)\s*$", before)
        if parted and parted.start():
            kept = before[: parted.start()].rstrip()
    for pattern, guard in ((_TAIL, _NOTE_WORD), (_FAREWELL, _FAREWELL)):
        tail = pattern.search(kept)
        if (
            tail
            and tail.start()
            and "\n" not in kept[tail.start() :].strip()
            and not guard.search(text)
        ):
            kept = kept[: tail.start()].rstrip()
    return kept
