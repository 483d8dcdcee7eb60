"""Emissions of running instances, estimated from board power and the country's grid. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from advisor.domain import Accelerator, Region

FILE: Final = "carbon_intensity.csv"

BASIS: Final = (
    "an estimate: the accelerators' board power, all of it all the time, times the yearly lifecycle "
    "intensity of the country's grid; hosts, cooling and networks are not in it, nor is power"
    " bought by contract"
)


@dataclass(frozen=True, slots=True)
class GridIntensity:
    """How much a country's electricity emits, over its life cycle."""

    country: str  #: ISO 3166-1 alpha-2
    name: str  #: of the country
    year: int  #: the latest the source has
    g_co2e_per_kwh: float
    source: str  #: who measured and who carried it
    licence: str  #: of that source


@dataclass(frozen=True, slots=True)
class Emission:
    """What one instance emits while it runs. None is not known, never zero."""

    kw: float | None
    g_co2e_per_kwh: float | None
    year: int | None

    @property
    def kg_co2e_per_hour(self) -> float | None:
        """Power times intensity."""
        if self.kw is None or self.g_co2e_per_kwh is None:
            return None
        return self.kw * self.g_co2e_per_kwh / 1000


def emission(
    chip: Accelerator, accelerators: int, region: Region | None, grid: Mapping[str, GridIntensity]
) -> Emission:
    """Of an instance with so many of a chip in a region."""
    power = None if chip.tdp_w is None else chip.tdp_w * accelerators / 1000
    country = region.country if region is not None else None
    mix = grid.get(country) if country is not None else None
    return Emission(power, mix.g_co2e_per_kwh if mix else None, mix.year if mix else None)


def kg_units(kg_co2e_per_hour: float) -> Decimal:
    """Kilograms an hour to the milligram, rounded to nearest, as a pool counts them."""
    return Decimal(str(round(kg_co2e_per_hour, 6)))
