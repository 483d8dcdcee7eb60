"""What is rented now: lines as a plan's purchase lines have them, and what was not recognised."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from advisor.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable
    from decimal import Decimal

    from advisor.domain import Market


@dataclass(frozen=True, slots=True)
class HeldLine:
    """Instances of one kind that run in one place."""

    provider: str  #: ``aws``, ``azure``, ``gcp``, ``lambda`` …
    region: str  #: the provider's own region id
    zone: str | None  #: the provider's own zone id; None is not known, or several
    instance_type: str  #: the provider's named shape
    market: Market  #: how it is bought
    instances: int  #: how many run
    usd_per_hour_each: Decimal | None = None  #: what one is paid for; None is not known

    @property
    def offer_id(self) -> str:
        """The same id as :attr:`advisor.domain.Offer.id`."""
        place = self.region if self.zone is None else f"{self.region}/{self.zone}"
        return f"{self.provider}:{place}:{self.instance_type}:{self.market.value}"


@dataclass(frozen=True, slots=True)
class Unrecognised:
    """Something that runs and is not one of the lines, and why."""

    what: str  #: the source's own name of it, e.g. a node or a resource address
    instances: int | None  #: how many; None is not known
    why: str  #: a sentence


@dataclass(frozen=True, slots=True)
class Fleet:
    """The current fleet."""

    lines: tuple[HeldLine, ...]  #: one per offer and price, by offer id
    unknown: tuple[Unrecognised, ...]  #: listed, never dropped
    source: str  #: where it was read from, in words
    sha256: str  #: of the bytes it was read from
    notes: tuple[str, ...] = ()  #: sentences on how it was read

    @property
    def instances(self) -> int:
        """How many instances the lines hold together."""
        return sum(line.instances for line in self.lines)


_AWS_ZONE_NAME: Final = re.compile(r"[a-z]{2}(-[a-z]+)+-\d+[a-z]")


def zone_told(provider: str, zone: str | None) -> tuple[str | None, str | None]:
    """The zone, and the name left out where it is one of AWS's that mean another zone in every account.

    Zone ids (``use1-az2``) and the names of Local Zones (``us-east-1-atl-1a``) mean the same everywhere.
    """
    if provider == "aws" and zone is not None and _AWS_ZONE_NAME.fullmatch(zone.casefold()):
        return None, zone
    return zone, None


def zones_left_out(names: Iterable[str | None]) -> list[str]:
    """The sentence on zone names that were left out, if any were."""
    named = sorted({printable(name) for name in names if name})
    if not named:
        return []
    why = "AWS names zones differently in every account, and the file does not give their ids (use1-az1)"
    return [f"zone left blank for {', '.join(named)}: {why}"]


def merged(lines: Iterable[HeldLine]) -> tuple[HeldLine, ...]:
    """Lines of one offer and price as one, by offer id."""
    counts: dict[HeldLine, int] = {}
    for line in lines:
        key = replace(line, instances=0)
        counts[key] = counts.get(key, 0) + line.instances
    found = [replace(key, instances=count) for key, count in counts.items()]
    return tuple(sorted(found, key=lambda line: (line.offer_id, line.usd_per_hour_each or 0)))
