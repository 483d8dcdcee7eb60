"""What is rented now: lines as a plan's purchase lines have them, and what was not recognised."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

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

    @property
    def instances(self) -> int:
        """How many instances the lines hold together."""
        return sum(line.instances for line in self.lines)


def merged(lines: Iterable[HeldLine]) -> tuple[HeldLine, ...]:
    """Lines of one offer and price as one, by offer id."""
    counts: dict[HeldLine, int] = {}
    for line in lines:
        key = replace(line, instances=0)
        counts[key] = counts.get(key, 0) + line.instances
    found = [replace(key, instances=count) for key, count in counts.items()]
    return tuple(sorted(found, key=lambda line: (line.offer_id, line.usd_per_hour_each or 0)))
