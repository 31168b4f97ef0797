"""What the URL of a server may be."""

from __future__ import annotations

from urllib.parse import urlsplit


def wrong_server_url(url: str) -> str:
    """What is wrong with the URL of a server, empty if nothing is; says nothing of what it holds.

    A URL is shown in messages and written to manifests, so it must have no place for a key.
    """
    try:
        parts = urlsplit(url)
        is_server = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return "is not a valid URL"
    if not is_server:
        return "must begin with http:// or https:// and name a host"
    has_user = "@" in parts.netloc or "\\" in url or any(c.isspace() for c in url)
    if has_user or parts.query or parts.fragment or "?" in url or "#" in url:
        return (
            "must not contain a user, password or query; put the key in an environment variable "
            "and name it in api_key_env"
        )
    _, colon, port = parts.netloc.rpartition("]")[2].partition(":")
    if colon and not (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536):
        return "must have a port from 1 to 65535, or none"
    return ""
