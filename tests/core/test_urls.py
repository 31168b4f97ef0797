from __future__ import annotations

import pytest

from polypaca.core.urls import wrong_server_url

KEY = "sk-a-secret"


@pytest.mark.parametrize(
    "url",
    ["http://h/v1", "https://api.openai.com/v1", "http://127.0.0.1:8000/v1", "http://[::1]:80"],
)
def test_servers(url: str) -> None:
    assert wrong_server_url(url) == ""


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("h/v1", "must begin with http"),
        (f"{KEY}://h/v1", "must begin with http"),
        ("http:///v1", "must begin with http"),
        (f"http://me:{KEY}@h/v1", "not contain a user, password or query"),
        (f"http://{KEY}@h/v1", "not contain a user, password or query"),
        (f"http://h/v1?key={KEY}", "not contain a user, password or query"),
        (f"http://h/v1#{KEY}", "not contain a user, password or query"),
        (f"http://h\\{KEY}@x/v1", "not contain a user, password or query"),
        (f"http://h:{KEY}/v1", "a port from 1 to 65535"),
        ("http://h:0/v1", "a port from 1 to 65535"),
        ("http://h:99999/v1", "a port from 1 to 65535"),
        ("http://h:/v1", "a port from 1 to 65535"),
        (f"http://[{KEY}/v1", "is not a valid URL"),
        (f"http://h\u2100{KEY}/v1", "is not a valid URL"),
    ],
)
def test_what_is_wrong_is_told_without_repeating_it(url: str, what: str) -> None:
    assert what in wrong_server_url(url)
    assert KEY not in wrong_server_url(url)
