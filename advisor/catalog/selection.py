"""Which offers a user's words select: places, providers, markets, chips and a price limit. Pure.

Places, providers and markets are the *scope*: what is outside is simply not asked about. A chip or price
limit leaves out offers inside the scope, so each is an :class:`~advisor.domain.Exclusion` and is counted.
"""

from __future__ import annotations

import fnmatch
import math
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from advisor.catalog.places import is_pattern, matching_places, matching_regions, nothing_matches
from advisor.domain import LISTED_MARKETS, Exclusion, Market, Region
from advisor.errors import UnknownName, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from decimal import Decimal

    from advisor.catalog.facts import Facts
    from advisor.domain import Offer

NEAR_KM: Final = 500.0
"""Default radius of ``--near``: a round trip over 500 km of fibre takes about 5 ms (200 km/ms in glass)."""

EARTH_RADIUS_KM: Final = 6371.0088
"""Mean radius R1 of the GRS 80 ellipsoid (Moritz, Geodetic Reference System 1980)."""


@dataclass(frozen=True, slots=True)
class Criteria:
    """What the user asked for; empty means no limit."""

    regions: tuple[str, ...] = ()  #: ids, ``provider:id``, globs, ``EU``, countries, continents
    near: tuple[str, ...] = ()  #: ``REGION`` or ``REGION=KM``; adds to ``regions``
    providers: tuple[str, ...] = ()  #: names or globs
    markets: tuple[str, ...] = ()  #: ``on_demand``, ``spot`` or ``any``
    accelerators: tuple[str, ...] = ()  #: spellings :meth:`Facts.accelerators_matching` knows
    exclude_accelerators: tuple[str, ...] = ()
    instance_types: tuple[str, ...] = ()  #: shell patterns of the vendors' names; ``!`` before one leaves out
    max_usd_per_hour: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Selection:
    """The offers asked for, those left out by a limit, and what to tell the user about it."""

    offers: tuple[Offer, ...]
    exclusions: tuple[Exclusion, ...]
    regions: tuple[str, ...]  #: ``provider:id`` of every place in scope
    providers: tuple[str, ...]  #: in scope
    markets: tuple[Market, ...]  #: in scope
    notes: tuple[str, ...]  #: sentences


def select(offers: Sequence[Offer], facts: Facts, criteria: Criteria) -> Selection:
    """The offers that the criteria select, in the order given.

    Raises:
        UnknownName: a region, provider, market or accelerator nobody knows.
        UsageError: a glob without a match, or a ``--near`` that does not name one place.
    """
    markets = parse_markets(criteria.markets)
    priced = frozenset(f"{offer.provider}:{offer.region}" for offer in offers)
    known_providers = {place.partition(":")[0] for place in priced | facts.regions.keys()}
    providers = matching_providers(criteria.providers, known_providers)
    chosen, notes = _places(criteria, priced, providers, facts.regions)
    in_scope = [
        offer
        for offer in offers
        if offer.market in markets
        and offer.provider in providers
        and f"{offer.provider}:{offer.region}" in chosen
    ]
    kept, exclusions = within_limits(in_scope, facts, criteria)
    return Selection(
        tuple(kept), tuple(exclusions), tuple(sorted(chosen)), tuple(sorted(providers)), markets, tuple(notes)
    )


def parse_markets(words: Iterable[str]) -> tuple[Market, ...]:
    """The markets meant; none given means all.

    Raises:
        UnknownName: not a market.
    """
    chosen: set[Market] = set()
    for word in words:
        plain = word.strip().casefold().replace("-", "_")
        if plain != "any" and plain not in LISTED_MARKETS:
            raise UnknownName("market", word, ("on-demand", "spot", "any"))
        chosen |= set(LISTED_MARKETS) if plain == "any" else {Market(plain)}
    return tuple(market for market in LISTED_MARKETS if market in chosen or not chosen)


def matching_providers(patterns: Iterable[str], known: Iterable[str]) -> frozenset[str]:
    """The providers that names or globs stand for, but for those after ``!``; none given means all.

    Raises:
        UnknownName: a name nobody knows.
        UsageError: a glob without a match.
    """
    names, chosen, denied = frozenset(known), set[str](), set[str]()
    for pattern in patterns:
        words = pattern.strip().casefold()
        found = {name for name in names if fnmatch.fnmatchcase(name, words.removeprefix("!"))}
        if not found:
            raise nothing_matches("provider", pattern, names)
        (denied if words.startswith("!") else chosen).update(found)
    return (frozenset(chosen) or names) - denied


def distance_km(here: Region, there: Region) -> float | None:
    """Great-circle distance; None if either place is not on the map.

    Source: haversine formula on a sphere; off by at most about 0.5 % from the ellipsoid.
    """
    if here.latitude is None or here.longitude is None or there.latitude is None or there.longitude is None:
        return None
    south, north = math.radians(here.latitude), math.radians(there.latitude)
    half_turn = math.sin(math.radians(there.longitude - here.longitude) / 2) ** 2
    chord = math.sin((north - south) / 2) ** 2 + math.cos(south) * math.cos(north) * half_turn
    return 2 * EARTH_RADIUS_KM * math.asin(math.sqrt(min(1.0, chord)))


def regions_near(words: str, places: Iterable[str], regions: Mapping[str, Region]) -> dict[str, float]:
    """Kilometres to every place within reach of ``REGION`` or ``REGION=KM``, the nearest first.

    Places of the centre's own name are at 0, on the map or not.

    Raises:
        UnknownName: the centre is not a region.
        UsageError: the centre is a glob, is several places, or is not on the map; or KM is not a distance.
    """
    centre, radius_km = _parse_near(words)
    named = matching_regions(centre, places)
    points = {
        place: regions[place] for place in sorted(named) if place in regions and _on_map(regions[place])
    }
    if not points:
        raise UsageError(f"--near {centre}: no coordinates are known for it; name its regions with --region")
    if len({(region.latitude, region.longitude) for region in points.values()}) > 1:
        raise UsageError(f"--near {centre}: providers mean different places by it: say {' or '.join(points)}")
    middle = next(iter(points.values()))
    reached = dict.fromkeys(named, 0.0)
    for place, region in regions.items():
        away = distance_km(middle, region)
        if away is not None and away <= radius_km:
            reached.setdefault(place, away)
    return dict(sorted(reached.items(), key=lambda item: (item[1], item[0])))


def _near_sentence(words: str, reached: Mapping[str, float], priced: frozenset[str]) -> str:
    """What ``--near`` found, as far as there is something to rent."""
    centre, radius_km = _parse_near(words)
    found = [
        f"{place} ({away:.0f} km)" if away else place for place, away in reached.items() if place in priced
    ]
    return f"Within {radius_km:g} km of {centre}: {', '.join(found) or 'nothing to rent'}."


def _parse_near(words: str) -> tuple[str, float]:
    centre, equals, distance = words.strip().partition("=")
    if is_pattern(centre):
        raise UsageError(f"--near {words}: the centre must be one region, not a pattern")
    number = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(?:km)?", distance.strip().casefold())
    if equals and number is None:
        raise UsageError(
            f"--near {words}: '{distance}' is not a distance; give kilometres, e.g. {centre}={NEAR_KM:g}"
        )
    return centre.strip(), float(number.group(1)) if number else NEAR_KM


def _places(
    criteria: Criteria, priced: frozenset[str], providers: frozenset[str], regions: Mapping[str, Region]
) -> tuple[set[str], list[str]]:
    """Places in scope, and what to say about them."""
    places = priced | regions.keys()
    reachable = {place for place in places if place.partition(":")[0] in providers}
    if not (criteria.regions or criteria.near):
        return reachable, []
    chosen: set[str] = set()
    notes: list[str] = []
    for pattern in criteria.regions:
        chosen |= matching_places(pattern, places, regions)
    for words in criteria.near:
        reached = regions_near(words, places, regions)
        chosen |= set(reached)
        notes.append(_near_sentence(words, reached, priced & reachable))
    if criteria.near:
        silent = (priced & reachable) - chosen
        notes += _unmapped(place for place in silent if place not in regions or not _on_map(regions[place]))
    return chosen & reachable, notes


def _unmapped(places: Iterable[str]) -> list[str]:
    """A sentence on the places no distance can be told to."""
    counts = Counter(place.partition(":")[0] for place in places)
    if not counts:
        return []
    said = ", ".join(f"{name} ({number})" for name, number in sorted(counts.items()))
    return [f"No coordinates are known for regions of {said}: they are never near; name them with --region."]


def within_limits(
    offers: Iterable[Offer], facts: Facts, criteria: Criteria
) -> tuple[list[Offer], list[Exclusion]]:
    """The offers within the user's limits on chips and price, and why the others are not."""
    wanted = _chip_ids(facts, criteria.accelerators) or None
    unwanted = _chip_ids(facts, criteria.exclude_accelerators)
    limit = criteria.max_usd_per_hour
    kept: list[Offer] = []
    exclusions: list[Exclusion] = []
    for offer in offers:
        if offer.accelerator in unwanted or (wanted is not None and offer.accelerator not in wanted):
            exclusions.append(
                Exclusion("accelerator_excluded", offer.id, f"{offer.accelerator} was not asked for")
            )
        elif not admits(criteria.instance_types, offer.instance_type):
            detail = f"{offer.instance_type} was not asked for (--instance-type)"
            exclusions.append(Exclusion("instance_type_excluded", offer.id, detail))
        elif limit is not None and offer.usd_per_hour > limit:
            detail = f"{offer.usd_per_hour.normalize():f} USD/h is above {limit:f}"
            exclusions.append(Exclusion("over_price_limit", offer.id, detail))
        else:
            kept.append(offer)
    return kept, exclusions


def admits(patterns: Iterable[str], instance_type: str) -> bool:
    """Whether patterns admit an instance type: one that admits matches, or there is none, and none denies."""
    words = [pattern.strip().casefold() for pattern in patterns]
    name = instance_type.casefold()
    wanted = [word for word in words if not word.startswith("!")]
    denied = [word[1:] for word in words if word.startswith("!")]
    return (not wanted or any(fnmatch.fnmatchcase(name, word) for word in wanted)) and not any(
        fnmatch.fnmatchcase(name, word) for word in denied
    )


def _chip_ids(facts: Facts, patterns: Iterable[str]) -> frozenset[str]:
    return frozenset(chip.id for pattern in patterns for chip in facts.accelerators_matching(pattern))


def _on_map(region: Region) -> bool:
    return region.latitude is not None and region.longitude is not None
