"""HTML entities that a scraper or a translator's page left in texts: `&lt;`, `&#39;`."""

from __future__ import annotations

import html
import re
from html.entities import html5

from polypaca.core.markup import ENTITY

_ENTITY = re.compile(ENTITY)
# What is shown as it stands: an entity there is what the text is about.
_CODE = re.compile(
    r"(?P<fence>```|~~~).*?(?:(?P=fence)|\Z)|(?P<ticks>`+)(?!`).+?(?<!`)(?P=ticks)(?!`)", re.DOTALL
)
_MARKUP = re.compile(r"</[A-Za-z][\w-]*\s*>|<!DOCTYPE", re.IGNORECASE)


def find_entities(text: str) -> list[str]:
    """The HTML entities of a text outside code, in order."""
    if "&" not in text:
        return []
    return [entity[0] for entity in _ENTITY.finditer(_CODE.sub("", text)) if _character(entity)]


def unescape_entities(text: str) -> str:
    """The text with what its entities stand for, those that were escaped twice or more included.

    Code stays as it is, and so does a text with tags: there entities are needed.
    """
    if not find_entities(text) or _MARKUP.search(text):
        return text
    parts, end = [], 0
    for code in _CODE.finditer(text):
        parts += [_plain(text[end : code.start()]), code[0]]
        end = code.end()
    return "".join([*parts, _plain(text[end:])])


def _plain(text: str) -> str:
    while (plain := _ENTITY.sub(lambda entity: _character(entity) or entity[0], text)) != text:
        text = plain
    return text


def _character(entity: re.Match[str]) -> str:
    """What an entity stands for, "" if it is none."""
    if not entity[0].startswith("&#") and entity[0][1:] not in html5:
        return ""
    return html.unescape(entity[0]).replace("\ufffd", "")
