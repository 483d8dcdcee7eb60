"""How a fleet reads where several stand side by side: what all of them share is said once, not per line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from advisor.cli.listing import Col

if TYPE_CHECKING:
    from collections.abc import Iterable

_TIMES = " × "


@dataclass(frozen=True, slots=True)
class _Line:
    """``count × provider:place:instance_type:market``, taken apart."""

    count: str  #: empty where an offer stands alone
    provider: str
    region: str
    zone: str
    instance_type: str
    market: str


@dataclass(frozen=True, slots=True)
class FleetWords:
    """Says lines of fleets as short as the fleets beside them allow."""

    provider: str  #: that every line has; empty where they differ
    region: str
    market: str

    @classmethod
    def of(cls, fleets: Iterable[Iterable[str]]) -> FleetWords:
        """The words for fleets that stand in one table."""
        lines = [line for fleet in fleets for text in fleet if (line := _apart(text)) is not None]
        provider = _shared(line.provider for line in lines)
        region = _shared(line.region for line in lines) if provider else ""
        return cls(provider, region, _shared(line.market for line in lines))

    def line(self, text: str) -> str:
        """``2 × g6.xlarge spot us-east-1/use1-az4``; text that is no line of a fleet stays as it is."""
        line = _apart(text)
        if line is None:
            return text
        place = [] if self.provider else [line.provider]
        if self.region:
            place += [line.zone] if line.zone else []
        else:
            place.append(f"{line.region}/{line.zone}" if line.zone else line.region)
        market = [] if self.market else [line.market]
        words = " ".join([line.instance_type, *market, *place])
        return f"{line.count}{_TIMES}{words}" if line.count else words

    def offers(self, key: str, header: str, *, importance: int = 1) -> Col:
        """A column of single offers; its header says what all share."""

        def words(offer: str | None) -> str:
            return self.line(offer) if offer else "–"

        return Col(key, self._headed(header), text=words, importance=importance, wrap=True)

    def column(self, key: str, header: str, *, importance: int = 1, none: str = "–") -> Col:
        """A column of fleets, one line of a fleet below the other; its header says what all share."""

        def lines(fleet: Iterable[str] | None) -> str:
            return "\n".join(map(self.line, fleet or ())) or none

        return Col(key, self._headed(header), text=lines, importance=importance, stacked=True)

    def _headed(self, header: str) -> str:
        shared = " ".join(part for part in (self.market, self.provider, self.region) if part)
        return f"{header} ({shared})" if shared else header


def _apart(text: str) -> _Line | None:
    count, _, offer = text.rpartition(_TIMES)
    provider, _, rest = offer.partition(":")
    place, _, rest = rest.partition(":")
    instance_type, _, market = rest.rpartition(":")
    if not (provider and place and instance_type and market):
        return None
    region, _, zone = place.partition("/")
    return _Line(count, provider, region, zone, instance_type, market)


def _shared(names: Iterable[str]) -> str:
    """The one name there is; empty if there are several or none."""
    found = set(names)
    return found.pop() if len(found) == 1 else ""
