"""What a word for a place stands for: a region or a pattern, a country, a continent, the EU or the EEA. Pure.

London and Zurich are in Europe and not in the EU; Oslo is in the EEA. Of a region whose country nobody states
it is not known where it is: it is in none of them, and not known to be outside either.
"""

from __future__ import annotations

import fnmatch
from typing import TYPE_CHECKING, Final

from advisor.errors import UnknownName, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from advisor.domain import Region

EU: Final = frozenset(
    [
        "AT",
        "BE",
        "BG",
        "HR",
        "CY",
        "CZ",
        "DK",
        "EE",
        "FI",
        "FR",
        "DE",
        "GR",
        "HU",
        "IE",
        "IT",
        "LV",
        "LT",
        "LU",
        "MT",
        "NL",
        "PL",
        "PT",
        "RO",
        "SK",
        "SI",
        "ES",
        "SE",
    ]
)
"""ISO 3166 codes of the member states. Source: european-union.europa.eu, "EU countries", 2026-12-01."""

EEA: Final = EU | {"IS", "LI", "NO"}
"""Source: efta.int, "EEA Agreement", 2026-12-01."""

_GROUPS: Final = {"eu": EU, "eea": EEA}
_SPELLED: Final = {"uk": "gb"}


def matching_places(
    word: str, places: Iterable[str], regions: Mapping[str, Region], *, unknown: bool = False
) -> frozenset[str]:
    """The ``provider:region`` places one word stands for.

    ``EU``, ``EEA``, a country's ISO code, a continent, ``country:DE``, ``continent:Europe``, a region's id or
    a pattern of ids; a word that is both, a code and an id, stands for all it may mean.

    Args:
        word: in any case.
        places: known besides those of ``regions``.
        regions: what is known of places.
        unknown: whether places count of which nobody states where they are.

    Raises:
        UnknownName: it means nothing.
        UsageError: a pattern without a match.
    """
    known = frozenset(places) | regions.keys()
    kind, colon, name = (part.strip() for part in word.strip().partition(":"))
    if colon and kind.casefold() in ("country", "continent"):
        return _of_attribute(kind.casefold(), name, known, regions, unknown=unknown)
    where = _area(word.strip().casefold(), regions)
    if where is None:
        return matching_regions(word, known)
    found = {place for place in known if _is_in(place, regions, where, unknown=unknown)}
    try:
        return frozenset(found | matching_regions(word, known))
    except UsageError:
        return frozenset(found)


def matching_regions(pattern: str, places: Iterable[str]) -> frozenset[str]:
    """The ``provider:region`` places one ``--region`` stands for: of every provider that has the id.

    Raises:
        UnknownName: an id nobody knows.
        UsageError: a glob without a match.
    """
    known = frozenset(places)
    wanted = pattern.strip().casefold()
    if ":" not in wanted:
        wanted = f"*:{wanted}"
    found = frozenset(place for place in known if fnmatch.fnmatchcase(place.casefold(), wanted))
    if not found:
        named = known if ":" in pattern else {place.partition(":")[2] for place in known}
        raise nothing_matches("region", pattern, named)
    return found


def nothing_matches(what: str, pattern: str, known: Iterable[str]) -> UsageError:
    """The error for a name that nobody has, or a pattern without a match."""
    if not is_pattern(pattern):
        return UnknownName(what, pattern, known)
    names = sorted(set(known))
    hint = f"known: {', '.join(names)}" if len(names) <= 12 else f"{len(names)} are known, e.g. {names[0]}"
    return UsageError(f"no {what} matches '{pattern}'; {hint}")


def is_pattern(word: str) -> bool:
    """Whether it may stand for several names."""
    return any(mark in word for mark in "*?[")


def _area(word: str, regions: Mapping[str, Region]) -> Callable[[Region], bool | None] | None:
    """Whether a region is there, None where nobody states it; None for what is no area."""
    group = _GROUPS.get(word)
    if group is not None:
        return lambda region: None if region.country is None else region.country in group
    code = _SPELLED.get(word, word)
    if any((region.country or "").casefold() == code for region in regions.values()):
        return lambda region: None if region.country is None else region.country.casefold() == code
    continents = {one.country: one.continent for one in regions.values() if one.country and one.continent}
    if word in {continent.casefold() for continent in continents.values()}:

        def there(region: Region) -> bool | None:
            continent = region.continent or continents.get(region.country or "")
            return None if continent is None else continent.casefold() == word

        return there
    return None


def _is_in(
    place: str, regions: Mapping[str, Region], where: Callable[[Region], bool | None], *, unknown: bool
) -> bool:
    stated = where(regions[place]) if place in regions else None
    return unknown if stated is None else stated


def _of_attribute(
    kind: str, name: str, known: frozenset[str], regions: Mapping[str, Region], *, unknown: bool
) -> frozenset[str]:
    values = {place: getattr(regions[place], kind) if place in regions else None for place in known}
    found = {place for place, value in values.items() if (value or "").casefold() == name.casefold()}
    if not found or not name:
        raise UnknownName(kind, name, {value for value in values.values() if value})
    return frozenset(found | {place for place, value in values.items() if value is None and unknown})
