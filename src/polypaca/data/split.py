"""The held-out split: by source, so that no translation of a validation example is trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from polypaca.core.errors import DataError
from polypaca.data.ranking import shuffle_by_hash

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from polypaca.core.records import Example
    from polypaca.data.instructions import UnsplitExample


def choose_validation_sources(
    sources_by_language: Mapping[str, Collection[str]], count: int, seed: int
) -> frozenset[str]:
    """Choose the sources to hold out of training, the same ones in every language.

    Sources that every language has are ranked by a hash of seed and source, and the first `count`
    are held out: exactly `count`, whatever the order of the files. A source's rank does not depend
    on the others, so a source that appears or goes changes at most one held-out source.

    Args:
        sources_by_language: the sources of each training language.
        count: how many to hold out; 0 holds none out.
        seed: chooses which.

    Raises:
        DataError: if fewer than `count + 1` sources are shared: none would be left to train on.
    """
    if count < 0:
        raise ValueError(f"count must not be negative, is {count}")
    sets = [set(sources) for sources in sources_by_language.values()]
    shared = set.intersection(*sets) if sets else set()
    if len(shared) < count + 1:
        sizes = ", ".join(f"{code} {len(rows)}" for code, rows in sources_by_language.items())
        raise DataError(
            f"{count} validation examples and at least one to train on need {count + 1} sources "
            f"that every language has, but there are {len(shared)} (rows: {sizes})",
            hint="lower data.validation, or check that the files have the same ids",
        )
    return frozenset(shuffle_by_hash(shared, "validation", seed)[:count])


def choose_validation_sources_by_language(
    sources_by_language: Mapping[str, Collection[str]], count: int, seed: int
) -> frozenset[str]:
    """Choose the sources to hold out where languages need not share any: `count` of each.

    Ranks are those of `choose_validation_sources`, so what languages do share is held out in both.

    Raises:
        DataError: if a language has no more than `count` sources.
    """
    held_out: set[str] = set()
    for language, sources in sources_by_language.items():
        if len(sources) <= count:
            raise DataError(
                f"{count} validation examples leave none of the {len(sources)} rows in {language} "
                "for training",
                hint="lower data.validation",
            )
        held_out |= set(shuffle_by_hash(sources, "validation", seed)[:count])
    return frozenset(held_out)


def assign_split(items: Iterable[UnsplitExample], held_out: Collection[str]) -> Iterator[Example]:
    """Make records of items: `validation` where the source is held out, else `train`."""
    for item in items:
        yield item.example("validation" if item.source in held_out else "train")
