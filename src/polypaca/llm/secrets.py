"""Taking a key out of what a server says: some repeat it, in one form or another."""

from __future__ import annotations

import base64
import html
import json
import re
from functools import lru_cache
from urllib.parse import quote

HIDDEN = "***"
# A stand-in key of fewer letters (`none`, `dummy`) is a word that answers may hold, and no secret.
_WORD = 8
# So many characters of Base64 are no chance.
_CORE = 10


def redact(text: str, secret: str | None) -> str:
    """The text with every form of the key replaced by `***`.

    Forms are the key itself, and the key escaped as JSON, Python, HTML or URLs have it, or within
    Base64. A key of fewer than 8 letters and nothing else is a stand-in, and stays.
    """
    if not secret or (secret.isalpha() and len(secret) < _WORD):
        return text
    return _forms(secret).sub(HIDDEN, text)


@lru_cache(maxsize=64)
def _forms(secret: str) -> re.Pattern[str]:
    escaped = json.dumps(secret)[1:-1]
    forms = {
        secret,
        escaped,
        escaped.replace("/", "\\/"),
        "".join(f"\\u{ord(character):04x}" for character in secret),
        repr(secret)[1:-1],
        html.escape(secret),
        quote(secret),
        quote(secret, safe=""),
        re.sub("%..", lambda code: code[0].lower(), quote(secret, safe="")),
        *_in_base64(secret.encode()),
    }
    longest_first = sorted(forms, key=len, reverse=True)
    return re.compile("|".join(re.escape(form) for form in longest_first))


def _in_base64(secret: bytes) -> set[str]:
    """What Base64 has of these bytes wherever they begin, without what neighbours have a share in.

    Each three bytes make four characters, so there are three places to begin at.
    """
    forms = set()
    for before in range(3):
        whole = base64.b64encode(bytes(before) + secret).decode()
        shared_end = {0: 0, 1: 3, 2: 2}[(before + len(secret)) % 3]
        core = whole[(0, 2, 3)[before] : len(whole) - shared_end]
        if len(core) >= _CORE:
            forms |= {core, core.replace("+", "-").replace("/", "_")}
    return forms
