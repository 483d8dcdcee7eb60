"""Which zones of a region sell an instance type, as its provider says. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import date

FILE: Final = "zone_offerings.csv"


@dataclass(frozen=True, slots=True)
class ZoneOffering:
    """The zones that sell one instance type. That a type is sold says nothing of its stock."""

    provider: str
    region: str  #: the provider's own region id
    instance_type: str
    zones: tuple[str, ...]  #: the provider's zone ids
    observed_on: date  #: the day the provider said so
    source: str  #: where that was recorded
    licence: str  #: of that source

    @property
    def key(self) -> str:
        """``provider:region:instance_type``."""
        return f"{self.provider}:{self.region}:{self.instance_type}"
