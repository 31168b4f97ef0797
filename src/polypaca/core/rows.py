"""Tables of what a study chooses by name: polypaca's own rows, and those of other packages.

An installed package adds a row through an entry point; its name is the row's name, and what it
points to is the row:

    [project.entry-points."polypaca.judges"]
    length = "my_package:LENGTH"

A package's code is imported when its row is asked for, and not before.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from pydantic import AfterValidator
from pydantic_core import PydanticKnownError

from polypaca.core.errors import UserError
from polypaca.core.names import suggest
from polypaca.core.settings import Choice, Json, deciding

if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.metadata import EntryPoint, EntryPoints

Row = TypeVar("Row")


class Table(Mapping[str, Row]):
    """Rows by name, polypaca's own first."""

    def __init__(self, what: str, group: str, row: type[Row], own: Mapping[str, Row]) -> None:
        """A table.

        Args:
            what: what a row is, for messages: `judge`.
            group: of the entry points by which packages add rows: `polypaca.judges`.
            row: the class of all rows.
            own: polypaca's rows.
        """
        self._what, self._group, self._row, self._own = what, group, row, own

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys([*self._own, *installed(self._group).names]))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __contains__(self, name: object) -> bool:
        return name in list(self)

    def __getitem__(self, name: str) -> Row:
        point = self._point(name)
        if point is None:
            return self._own[name]
        try:
            row = point.load()
        except Exception as error:
            raise UserError(
                f"the {self._what} {name!r} of {_package(point)} cannot be imported: "
                f"{type(error).__name__}: {error}; install a version of it that fits, or none"
            ) from error
        if not isinstance(row, self._row):
            raise UserError(
                f"the {self._what} {name!r} of {_package(point)} is no {self._row.__name__}, but "
                f"{point.value} gives a {type(row).__name__}"
            )
        return row

    def row(self, name: str) -> Row:
        """The row of that name.

        Raises:
            UserError: if there is none, the package that has it cannot be imported, or several
                want the name.
        """
        if name not in self:
            raise UserError(f"no {self._what} is called {name!r}{suggest(name, self)}")
        return self[name]

    def version_of(self, name: str) -> str | None:
        """The package that a row comes from, with its version; None for polypaca's own."""
        point = self._point(name)
        return _package(point) if point else None

    def decided(self, settings: Choice) -> Json:
        """What of a row's settings decides results: with its package, if it is of another."""
        package = self.version_of(settings.kind)
        return {**deciding(settings), **({"package": package} if package else {})}

    def _point(self, name: str) -> EntryPoint | None:
        points = list(installed(self._group).select(name=name))
        wanting = ", ".join(sorted({_package(point) for point in points}))
        if points and name in self._own:
            raise UserError(
                f"the {self._what} {name!r} is polypaca's own, and {wanting} would put another "
                "in its place: uninstall that package"
            )
        if len(points) > 1:
            raise UserError(
                f"the {self._what} {name!r} is in several packages: {wanting}; uninstall all but "
                "one"
            )
        return points[0] if points else None


@cache
def installed(group: str) -> EntryPoints:
    """The entry points of a group in all installed packages, read once."""
    return entry_points(group=group)


def _package(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else point.module


def name_in(rows: Mapping[str, Any], what: str) -> AfterValidator:
    """The check of a setting that is the name of a row."""

    def known(name: str) -> str:
        if name not in rows:
            raise ValueError(f"unknown {what} {name!r}{suggest(name, rows)}")
        return name

    return AfterValidator(known)


class HasSettings(Protocol):
    """A row with the class of its settings."""

    @property
    def settings(self) -> type[Choice]:
        """What a study says of it."""


def read_choice(
    value: Any, rows: Mapping[str, HasSettings], also: Mapping[str, type[Choice]] | None = None
) -> Any:
    """The settings in `value`, as the row that its `kind` names has them.

    Args:
        value: a section as it was read, or settings.
        rows: a table.
        also: further kinds, which are in no table.

    Raises:
        ValueError: in the forms that Pydantic knows.
    """
    if isinstance(value, Choice):
        return value
    if not isinstance(value, dict):
        raise PydanticKnownError("model_attributes_type")
    if "kind" not in value:
        raise PydanticKnownError("union_tag_not_found", {"discriminator": "'kind'"})
    kind, own = value["kind"], also or {}
    if kind not in [*rows, *own]:
        expected = ", ".join(f"'{name}'" for name in [*rows, *own])
        context = {"discriminator": "'kind'", "tag": str(kind), "expected_tags": expected}
        raise PydanticKnownError("union_tag_invalid", context)
    try:
        settings = own[kind] if kind in own else rows[kind].settings
    except UserError as error:
        raise ValueError(str(error)) from error
    return settings.model_validate(value)
