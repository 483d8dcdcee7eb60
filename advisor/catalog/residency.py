"""Where data may be: patterns of places, countries and continents, allowed or denied. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from advisor.catalog.selection import matching_regions
from advisor.errors import UnknownName

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from advisor.domain import Region

_DENY: Final = "!"
_BY: Final = {"country": lambda region: region.country, "continent": lambda region: region.continent}


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
    allowed = frozenset().union(*(_matching(word, known, regions, unknown=False) for word in wanted))
    if not wanted:
        allowed = known
    return allowed.difference(*(_matching(word, known, regions, unknown=True) for word in denied))


def _matching(
    word: str, known: frozenset[str], regions: Mapping[str, Region], *, unknown: bool
) -> frozenset[str]:
    """Places a pattern stands for; ``unknown`` says whether those count of which nobody can tell."""
    kind, colon, name = word.strip().partition(":")
    attribute = _BY.get(kind.casefold()) if colon else None
    if attribute is None:
        return matching_regions(word, known)
    values = {place: attribute(regions[place]) if place in regions else None for place in known}
    found = {place for place, value in values.items() if (value or "").casefold() == name.strip().casefold()}
    if not found or not name.strip():
        raise UnknownName(kind.casefold(), name.strip(), {value for value in values.values() if value})
    return frozenset(found | {place for place, value in values.items() if value is None and unknown})
