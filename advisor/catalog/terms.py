"""The user's terms file: what a provider or reseller offers for a commitment, as it was quoted.

No list of commitment prices ships, since none is public for all clouds and none may be made up; so the user
says what is on offer, from where and when.
"""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, model_validator

from advisor.documents import Scalars, kind_of, parse, read_text
from advisor.documents.records import NOT_YES_OR_NO, check
from advisor.errors import InputFileError
from advisor.text import ONE_LINE
from advisor.units import MAX_USD_PER_HOUR

if TYPE_CHECKING:
    from pathlib import Path

    from advisor.domain import Offer

MAX_BYTES: Final = 2**20
MAX_MONTHS: Final = 120
MAX_INSTANCES: Final = 1_000_000

_PERCENT: Final = "a number above 0 and below 100: per cent off the on-demand price"
_USD: Final = f"dollars per hour of one instance, above 0 and at most {MAX_USD_PER_HOUR:,}"
_MONTHS: Final = f"a number of months above 0 and at most {MAX_MONTHS}; a week is 0.23"
_UPFRONT: Final = "a share from 0 to 1 of the whole price, paid at the start"
_CAPACITY: Final = "true or false: it draws on no on-demand quota; absent: true for capacity_block only"
_Percent = Annotated[Decimal, Field(gt=0, lt=100, allow_inf_nan=False), NOT_YES_OR_NO]
_Dollars = Annotated[Decimal, Field(gt=0, le=MAX_USD_PER_HOUR, allow_inf_nan=False), NOT_YES_OR_NO]
_Months = Annotated[Decimal, Field(gt=0, le=MAX_MONTHS, allow_inf_nan=False), NOT_YES_OR_NO]
_Share = Annotated[Decimal, Field(ge=0, le=1, allow_inf_nan=False), NOT_YES_OR_NO]
_Name = Annotated[str, Field(min_length=1, max_length=200, pattern=ONE_LINE)]


class TermKind(StrEnum):
    """What a commitment is called."""

    RESERVED = "reserved"
    SAVINGS_PLAN = "savings_plan"
    COMMITTED_USE = "committed_use"
    CAPACITY_BLOCK = "capacity_block"


class _TermLine(BaseModel):
    """One term on offer."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: _Name = Field(description="a name of your own, each once")
    kind: TermKind = Field(description=f"one of {', '.join(kind.value for kind in TermKind)}")
    provider: _Name = Field(description="the provider's id, e.g. aws")
    instance_types: list[_Name] = Field(
        min_length=1, description="a list of instance types or globs, e.g. ['g6e.*']"
    )
    regions: list[_Name] = Field(
        default_factory=list, description="a list of region ids or globs; absent: every region"
    )
    percent_off_on_demand: _Percent | None = Field(default=None, description=_PERCENT)
    usd_per_hour_each: _Dollars | None = Field(default=None, description=_USD)
    term_months: _Months = Field(description=_MONTHS)
    upfront_share: _Share = Field(default=Decimal(0), description=_UPFRONT)
    most_instances: int | None = Field(
        default=None,
        ge=0,
        le=MAX_INSTANCES,
        strict=True,
        description=f"a whole number from 0 to {MAX_INSTANCES:,}, over all its types and regions",
    )
    capacity: bool | None = Field(default=None, strict=True, description=_CAPACITY)
    source: _Name = Field(description="where the figure comes from: a quote, a page, a contract")
    quoted_on: date = Field(description="the day it was quoted, as YYYY-MM-DD")

    @model_validator(mode="after")
    def _one_price(self) -> _TermLine:
        if (self.percent_off_on_demand is None) == (self.usd_per_hour_each is None):
            raise ValueError("either percent_off_on_demand or usd_per_hour_each is needed, not both")
        return self


class _TermsFile(BaseModel):
    """Commitments on offer to the user: reserved instances, savings plans, committed use, capacity blocks."""

    model_config = ConfigDict(extra="forbid", frozen=True, title="Terms")

    terms: list[_TermLine] = Field(min_length=1, description="a list of terms on offer, at least one")


@dataclass(frozen=True, slots=True)
class Term:
    """Something that can be committed to."""

    name: str
    kind: TermKind
    provider: str
    instance_types: tuple[str, ...]  #: globs
    regions: tuple[str, ...]  #: globs; empty is every region
    percent_off_on_demand: Decimal | None
    usd_per_hour_each: Decimal | None  #: this or a per cent, never both
    term_months: Decimal
    upfront_share: Decimal
    most_instances: int | None  #: over all types and regions; None: no limit is stated
    holds_capacity: bool  #: then it draws on no on-demand quota
    source: str
    quoted_on: date

    def covers(self, offer: Offer) -> bool:
        """Whether instances like that offer's can be committed to."""
        return (
            offer.provider == self.provider
            and any(fnmatch.fnmatchcase(offer.instance_type, glob) for glob in self.instance_types)
            and (not self.regions or any(fnmatch.fnmatchcase(offer.region, glob) for glob in self.regions))
        )

    def price(self, on_demand_usd_per_hour: Decimal | None) -> Decimal | None:
        """Dollars per hour of one instance; None where it is off a price that nobody states."""
        if self.percent_off_on_demand is None:
            return self.usd_per_hour_each
        if on_demand_usd_per_hour is None:
            return None
        return on_demand_usd_per_hour * (1 - self.percent_off_on_demand / 100)


def terms_json_schema() -> dict[str, Any]:
    """The JSON Schema of the terms file."""
    return _TermsFile.model_json_schema()


def load_terms(path: Path) -> tuple[Term, ...]:
    """The terms of a YAML or JSON file, in its order.

    Raises:
        InputFileError: the file or a field of it is not what it must be.
    """
    text = read_text(path, MAX_BYTES, "a terms file")
    lines = check(_TermsFile, parse(text, str(path), kind_of(path), Scalars.EXACT), str(path)).terms
    seen: set[str] = set()
    for number, line in enumerate(lines):
        if line.name in seen:
            raise InputFileError(str(path), f"terms[{number}].name", line.name, "a name of its own is needed")
        seen.add(line.name)
    return tuple(map(_term, lines))


def _term(line: _TermLine) -> Term:
    capacity = line.kind is TermKind.CAPACITY_BLOCK if line.capacity is None else line.capacity
    return Term(
        line.name,
        line.kind,
        line.provider.strip().casefold(),
        tuple(line.instance_types),
        tuple(line.regions),
        line.percent_off_on_demand,
        line.usd_per_hour_each,
        line.term_months,
        line.upfront_share,
        line.most_instances,
        capacity,
        line.source,
        line.quoted_on,
    )
