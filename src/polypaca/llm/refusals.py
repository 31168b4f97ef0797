"""Servers that refuse a parameter, and with it every request: what to set instead."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from polypaca.llm.endpoint import Endpoint

_CODES = ("unsupported_parameter", "unsupported_value", "unknown_parameter")
_WORDS = re.compile(
    r"(?:unsupported|unrecogni[sz]ed|unknown|unexpected)\s+"
    r"(?:request\s+)?(?:parameter|argument|value|field|keyword|input)"
    r"|not\s+(?:supported|permitted|allowed|accepted)|does\s+not\s+support|no\s+longer\s+supported"
    r"|use\s+\W?max_(?:completion_)?tokens|deprecated|only\s+the\s+default",
    re.IGNORECASE,
)
_REMEDIES = {
    "max_tokens": "set `max_tokens_parameter: max_completion_tokens` for this model",
    "max_completion_tokens": "set `max_tokens_parameter: max_tokens` for this model",
    "temperature": "set `temperature: null` for this model, so that none is sent",
    "top_p": "set `top_p: 1`, or `temperature: null` for this model, so that none is sent",
    "seed": "set `temperature: 0` or `null` for this model, so that no seed is sent",
    "stop": "ask this model without `template:`, so that no stop string is sent",
}


def suggest_setting(status: int, message: str, error: Mapping[str, Any], endpoint: Endpoint) -> str:
    """What to set where a model takes no such parameter as every request has; else empty.

    Args:
        status: of the answer.
        message: the server's message.
        error: the error that it is from, with the protocol's `code` and `param` if it has them.
        endpoint: whom was asked.
    """
    if status not in (400, 422) or not (error.get("code") in _CODES or _WORDS.search(message)):
        return ""
    unused = {"max_tokens", "max_completion_tokens"} - {endpoint.max_tokens_parameter}
    names = [name for name in _REMEDIES if name not in unused]
    # `seed` and `stop` are words of any message too.
    named = [
        error.get("param"),
        *re.findall(r"\w*_\w+|temperature|(?<=['\"`])\w+(?=['\"`])", message),
    ]
    return next((_REMEDIES[name] for name in named if name in names), "")
