"""Where data may be: patterns of places, countries and continents, allowed or denied. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from advisor.catalog.places import matching_places

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from advisor.domain import Region

_DENY: Final = "!"


def allowed_places(
    patterns: Iterable[str], places: Iterable[str], regions: Mapping[str, Region]
) -> frozenset[str]:
    """Those of ``provider:region`` places that the patterns allow.

    A place is allowed if it matches one that allows, or none does, and it matches none that denies. Where a
    country or continent is asked for, a place of which it is not known is not allowed, nor is it where one is
    denied: nobody can say that it is elsewhere.

    Raises:
        UnknownName, UsageError: a pattern that matches no known place.
    """
    known = frozenset(places) | regions.keys()
    words = list(patterns)
    wanted = [word for word in words if not word.startswith(_DENY)]
    denied = [word.removeprefix(_DENY) for word in words if word.startswith(_DENY)]
    allowed = frozenset().union(*(matching_places(word, known, regions) for word in wanted))
    if not wanted:
        allowed = known
    return allowed.difference(*(matching_places(word, known, regions, unknown=True) for word in denied))
