from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polypaca.llm.secrets import redact

KEYS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=12, max_size=60)


@given(KEYS, st.sampled_from(["", "a", "ab", "user:", "Bearer "]), st.sampled_from(["", "x", "}}"]))
def test_no_form_of_a_key_is_left(key: str, before: str, after: str) -> None:
    encoded = base64.b64encode((before + key + after).encode()).decode()
    said = [
        f"with the key {key}.",
        json.dumps({"k": f"Bearer {key}"}),
        json.dumps(key).replace("/", "\\/"),
        repr(key),
        f"https://h/?k={quote(key, safe='')}",
        f"Basic {encoded}",
        base64.urlsafe_b64encode((before + key + after).encode()).decode(),
    ]
    for text in said:
        clean = redact(text, key)
        assert "***" in clean
        assert key not in clean
        assert encoded not in clean


def test_what_is_no_secret_stays() -> None:
    assert redact("none of this is a dummy", "dummy") == "none of this is a dummy"
    assert redact("anything", None) == "anything"


@pytest.mark.parametrize("key", ["sk-1", "secretkey", "12345678", "sk-very-secret"])
def test_other_keys_are_secrets_however_short(key: str) -> None:
    assert redact(f"I got {key} of you", key) == "I got *** of you"
