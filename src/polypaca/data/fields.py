"""Checks of single fields that instruction and prompt rows share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


class FieldError(Exception):
    """A field that cannot be used; `field` names it and the message says why."""

    def __init__(self, field: str, reason: str) -> None:
        self.field, self.reason = field, reason
        super().__init__(f"field {field}: {reason}")


def text_field(fields: Mapping[str, Any], name: str, *, required: bool = True) -> str:
    """The text of a field, unchanged; "" for an optional field that is missing or null.

    Raises:
        FieldError: if it is missing or blank though required, or is no text.
    """
    value = fields.get(name)
    if value is None:
        if required:
            raise FieldError(name, "is null" if name in fields else "is missing")
        return ""
    if not isinstance(value, str):
        raise FieldError(
            name, f"must be a string, not {type(value).__name__} ({short_repr(value)})"
        )
    if required and not value.strip():
        raise FieldError(name, "is empty")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise FieldError(name, "holds half a character (a lone surrogate)") from None
    return value


def id_field(fields: Mapping[str, Any]) -> str | None:
    """The `id` as text, None where it is missing or null.

    Raises:
        FieldError: if it is neither text nor a whole number.
    """
    value = fields.get("id")
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise FieldError("id", f"must be a string or an integer, not {short_repr(value)}")
    return text_field(fields, "id")


def other_fields(
    fields: Mapping[str, Any], record_fields: Collection[str], used: str
) -> dict[str, Any]:
    """The fields to keep beside a record's own.

    Args:
        fields: the row.
        record_fields: the names of the record's own fields.
        used: the names, separated by spaces, of those that were read from the row. An own name
            that the row used for something else (a `split` column, say) is kept as `row_<name>`.
    """
    names = used.split()
    return {
        f"row_{name}" if name in record_fields else name: value
        for name, value in fields.items()
        if name not in names
    }


def short_repr(value: Any) -> str:
    """A value as a message shows it: its `repr`, cut at 40 characters."""
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
