"""The fleet file: what ``advisor fleet import`` writes, and what people may write by hand.

It names instance types and regions by the provider's own ids. Whether the catalog knows them is asked when
the fleet meets the catalog.
"""

from __future__ import annotations

import hashlib
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from advisor.documents import Scalars, decoded, kind_of, parse, read_bytes
from advisor.documents.records import NOT_YES_OR_NO, check
from advisor.documents.yaml_text import OneLine, yaml_text
from advisor.domain import Market
from advisor.errors import InputFileError
from advisor.fleet.fleet import Fleet, HeldLine, Unrecognised, merged, zone_told, zones_left_out
from advisor.text import ONE_LINE, printable
from advisor.units import MAX_USD_PER_HOUR, decimal_text

if TYPE_CHECKING:
    from pathlib import Path

MAX_BYTES: Final = 16 * 2**20
"""A line takes about 150 bytes: room for a hundred thousand of them."""
MAX_INSTANCES: Final = 1_000_000
"""Above any fleet there is: a larger figure is a slip."""

_Name = Annotated[str, Field(min_length=1, max_length=200, pattern=ONE_LINE)]
_Dollars = Annotated[Decimal, Field(gt=0, le=MAX_USD_PER_HOUR, allow_inf_nan=False), NOT_YES_OR_NO]
_Words = Annotated[str, Field(max_length=2000)]
_LARGE_CLOUDS: Final = ("aws", "azure", "gcp")
_MARKETS: Final = ", ".join(market.value for market in Market)
_DOLLARS: Final = f"dollars per hour of one instance, above 0 and at most {MAX_USD_PER_HOUR:,}"


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class LineRecord(_Record):
    """Instances of one kind in one place."""

    provider: _Name = Field(description="the provider's id, e.g. aws")
    region: _Name = Field(description="the provider's own region id, e.g. us-east-1")
    zone: _Name | None = Field(default=None, description="the provider's own zone id; absent is not known")
    instance_type: _Name = Field(description="the provider's own name of the shape, e.g. g6e.2xlarge")
    market: Market = Field(description=f"one of {_MARKETS}")
    instances: int = Field(
        ge=1, le=MAX_INSTANCES, strict=True, description=f"a whole number from 1 to {MAX_INSTANCES:,}"
    )
    usd_per_hour_each: _Dollars | None = Field(default=None, description=_DOLLARS)

    @field_validator("provider", mode="before")
    @classmethod
    def _provider_in_any_case(cls, value: object) -> object:
        known = value.strip().casefold() if isinstance(value, str) else ""
        return known if known in _LARGE_CLOUDS else value

    @field_validator("market", mode="before")
    @classmethod
    def _market_in_any_case(cls, value: object) -> object:
        return re.sub(r"[\s-]+", "_", value.strip().casefold()) if isinstance(value, str) else value

    def held(self) -> HeldLine:
        """As the room has it."""
        return HeldLine(
            self.provider,
            self.region,
            zone_told(self.provider, self.zone)[0],
            self.instance_type,
            self.market,
            self.instances,
            self.usd_per_hour_each,
        )


class UnknownRecord(_Record):
    """Something that runs and could not be made a line."""

    what: _Words = Field(description="the source's own name of it, at most 2,000 characters")
    instances: int | None = Field(
        default=None, ge=0, le=MAX_INSTANCES, strict=True, description="how many; absent is not known"
    )
    why: _Words = Field(description="why it is no line, at most 2,000 characters")


class FleetFile(_Record):
    """What is rented now."""

    model_config = ConfigDict(title="Fleet")

    schema_version: Literal[1] = Field(description="1, the only version there is")
    kind: Literal["fleet"] = Field(description="fleet")
    source: _Words = Field(default="", description="where it was read from, at most 2,000 characters")
    lines: list[LineRecord] = Field(description="a list of lines; an empty one is an empty fleet")
    unknown: list[UnknownRecord] = Field(
        default_factory=list, description="a list of what runs and was not recognised"
    )


def fleet_json_schema() -> dict[str, Any]:
    """The JSON Schema of the fleet file."""
    return FleetFile.model_json_schema()


def read_fleet(path: Path) -> Fleet:
    """The fleet in a YAML or, by its ending, JSON file.

    Raises:
        InputFileError: the file or a field of it is not what it must be.
    """
    content, name = read_bytes(path, MAX_BYTES, "a fleet file"), str(path)
    document = parse(decoded(content, name), name, kind_of(path), Scalars.EXACT)
    if isinstance(document, dict) and document.get("kind") != "fleet":
        allowed = "expected 'fleet'; `advisor fleet import` makes a fleet file of what other tools write"
        raise InputFileError(name, "kind", document.get("kind"), allowed)
    file = check(FleetFile, document, name)
    return Fleet(
        merged(record.held() for record in file.lines),
        tuple(Unrecognised(record.what, record.instances, record.why) for record in file.unknown),
        file.source or printable(name),
        hashlib.sha256(content).hexdigest(),
        tuple(zones_left_out(zone_told(line.provider, line.zone)[1] for line in file.lines)),
    )


def fleet_yaml(fleet: Fleet) -> str:
    """YAML, one line per line of the fleet, that :func:`read_fleet` reads back unchanged."""
    return yaml_text(fleet_document(fleet))


def fleet_document(fleet: Fleet) -> dict[str, Any]:
    """The same as plain data, for JSON."""
    return {
        "schema_version": 1,
        "kind": "fleet",
        "source": printable(fleet.source),
        "lines": [_present(line, LineRecord) for line in fleet.lines],
        "unknown": [_present(one, UnknownRecord) for one in fleet.unknown],
    }


def _present(line: HeldLine | Unrecognised, record: type[BaseModel]) -> OneLine:
    """What is known of a line, in the order of its record; money and names as harmless text."""
    values = {name: getattr(line, name) for name in record.model_fields}
    return OneLine({name: _plain(value) for name, value in values.items() if value is not None})


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return decimal_text(value)
    return printable(value) if isinstance(value, str) else value
