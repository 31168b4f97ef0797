"""Regular expressions for what markup there is in texts: fences, tags, addresses, formulas.

Each takes time in proportion to the length of the text. Flags are the user's to give.
"""

from __future__ import annotations

# What opens a fenced block, behind its indentation and with `re.MULTILINE`. The info string of a
# backtick fence holds no backtick (https://spec.commonmark.org/0.31.2/#fenced-code-blocks); one of
# tildes no tilde, so that `~~~struck out~~~` is no fence.
FENCE = r"(?P<fence>`{3,}(?=[^`\n]*$)|~{3,}(?=[^~\n]*$))"

# At most 64 characters before the @ (RFC 5321) and 63 in a label (RFC 1035).
EMAIL = r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})+"

TAG = r"</?[A-Za-z][^<>]*>"

# Whole ones alone: in `AT&T` and `a=1&copy=2` nothing was escaped.
ENTITY = r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});"

# Pandoc's rule, so that sums of money are none: no space inside the dollars, no digit behind.
DOLLARS = r"\$(?=[^\s$])[^$\n]*(?<=\S)\$(?!\d)"

# A command of LaTeX with what it is given.
COMMAND = r"\\[A-Za-z]+\*?(?:\[[^\[\]\n]*\])?(?:\{[^{}\n]*\})*"
