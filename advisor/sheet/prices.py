"""What a price sheet says: a negotiated quote or any price list, and discounts on list prices. Pure.

Each is checked from text cells, so that no number is rounded on the way; a blank cell is not given.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from advisor.domain import LISTED_MARKETS, Market
from advisor.units import decimal_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from advisor.domain import Offer

ANY: Final = "*"

_PRICE_STEP: Final = Decimal("0.00000001")  # the snapshot's DECIMAL(18, 8)
_BLANK: Final = ("", "null", "Null", "NULL", "~")
_NUMBER: Final = re.compile(r"[+-]?\d{1,12}(\.\d{1,12})?")
_MONEY: Final = re.compile(r"[+-]?\$? ?(\d{1,12}|\d{1,3}(,\d{3})+(?=\.))(\.\d{1,12})?")
_DAY: Final = re.compile(r"\d{4}-\d\d-\d\d")
_ID: Final = r"^[A-Za-z0-9][A-Za-z0-9._+/-]{0,99}$"
_PATTERN: Final = r"^[A-Za-z0-9._+/*?\[\]!-]{1,100}$"


def rounded(usd_per_hour: Decimal) -> Decimal:
    """A price at the resolution of a snapshot."""
    return usd_per_hour.quantize(_PRICE_STEP, rounding=ROUND_HALF_UP).normalize()


def _number(cell: str) -> Decimal:
    return Decimal(_whole_match(_NUMBER, cell))


def _money(cell: str) -> Decimal:
    """``$1,055.04`` means one thing; ``1,055`` may be either, and is refused as are other currencies."""
    return Decimal(re.sub(r"[$, ]", "", _whole_match(_MONEY, cell)))


def _day(cell: str) -> date:
    return date.fromisoformat(_whole_match(_DAY, cell))


def _market(cell: str) -> Market:
    market = Market(re.sub(r"[- ]", "_", cell.casefold()))
    if market not in LISTED_MARKETS:
        raise ValueError(cell)
    return market


def _market_or_any(cell: str) -> Market | None:
    return None if cell == ANY else _market(cell)


def _whole_match(pattern: re.Pattern[str], cell: str) -> str:
    if not pattern.fullmatch(cell):
        raise ValueError(cell)
    return cell


def _read_by(read: Callable[[str], object]) -> BeforeValidator:
    """A cell read by a function of ours; what it does not read is refused by the field's description."""

    def checked(cell: Any) -> object:
        try:
            return read(cell)
        except (ValueError, TypeError, AttributeError):
            raise PydanticCustomError("cell", "not allowed") from None

    return BeforeValidator(checked)


_MOST: Final = Decimal(10) ** 9
_ANY_MARKETS: Final = ", ".join(market.value for market in LISTED_MARKETS)
_Id = Annotated[str, Field(pattern=_ID)]
_Provider = Annotated[str, StringConstraints(pattern=_ID, to_lower=True)]
_Glob = Annotated[str, Field(pattern=_PATTERN, description="a shell pattern, e.g. aws or p5*, or * for all")]
_Day = Annotated[date, _read_by(_day)]
_Dollars = Annotated[
    Decimal,
    _read_by(_money),
    Field(description="dollars above 0 as a plain number, e.g. 12.50"),
    Field(gt=0, le=_MOST),
]
_Count = Annotated[Decimal, _read_by(_number), Field(gt=0, le=1024)]


class _Row(BaseModel):
    """What both kinds of row say."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    place: str = Field(exclude=True)  #: where in the sheet, e.g. ``line 4`` or ``prices[2]``
    currency: Literal["USD"] = Field(
        default="USD", description="USD; convert the quote, and say the rate in source"
    )
    valid_from: _Day | None = Field(default=None, description="the first day, UTC, as YYYY-MM-DD")
    valid_until: _Day | None = Field(default=None, description="the last day, UTC, as YYYY-MM-DD")
    source: str | None = Field(
        default=None,
        pattern=r"^[\w(][\w .,:/#&()'+-]{0,99}$",
        description="the contract or quote: letters, digits, spaces and .,:/#&()'+-, up to 100",
    )

    @model_validator(mode="before")
    @classmethod
    def _given(cls, cells: Mapping[str, object]) -> dict[str, object]:
        stripped = {name: cell.strip() if isinstance(cell, str) else cell for name, cell in cells.items()}
        return {name: cell for name, cell in stripped.items() if cell not in _BLANK}

    @field_validator("valid_until")
    @classmethod
    def _ends_after_its_start(cls, last: date | None, info: ValidationInfo) -> date | None:
        first = info.data.get("valid_from")
        if first is not None and last is not None and last < first:
            raise ValueError(f"not before valid_from, {first}")
        return last

    def in_force(self, now: datetime) -> bool:
        """Whether it holds at that moment."""
        today = now.astimezone(UTC).date()
        starts, ends = self.valid_from or date.min, self.valid_until or date.max
        return starts <= today <= ends


class SheetPrice(_Row):
    """One price of the user's own, which wins over the list."""

    provider: _Provider = Field(description="a provider id, e.g. azure")
    instance_type: _Id = Field(description="the provider's own name of one instance type")
    region: str = Field(pattern=rf"^\*$|{_ID}", description="a region id, or * for every region the list has")
    zone: _Id | None = Field(default=None, description="a zone id, or blank for every zone")
    market: Annotated[Market, _read_by(_market)] = Field(description=f"one of {_ANY_MARKETS}")
    usd_per_hour: Annotated[_Dollars, AfterValidator(rounded)] | None = None
    usd_per_accelerator_hour: _Dollars | None = Field(default=None, validate_default=True)
    accelerator: _Id | None = Field(default=None, description="an accelerator id, e.g. h100-sxm-80gb")
    accelerators: _Count | None = Field(default=None, description="a number above 0, per instance")
    vcpus: int | None = Field(default=None, gt=0, le=100_000, description="a whole number above 0")
    memory_gib: Annotated[Decimal, _read_by(_number)] | None = Field(
        default=None, gt=0, le=1_000_000, description="GiB above 0"
    )

    @field_validator("zone")
    @classmethod
    def _zone_of_one_region(cls, zone: str | None, info: ValidationInfo) -> str | None:
        if zone is not None and info.data.get("region") == ANY:
            raise ValueError("blank where region is *")
        return zone

    @field_validator("usd_per_accelerator_hour")
    @classmethod
    def _one_price(cls, each: Decimal | None, info: ValidationInfo) -> Decimal | None:
        if "usd_per_hour" in info.data and (info.data["usd_per_hour"] is None) == (each is None):
            raise ValueError("exactly one of usd_per_hour and usd_per_accelerator_hour")
        return each

    @property
    def id(self) -> str:
        """The id of the offer it makes where nobody lists one."""
        place = self.region if self.zone is None else f"{self.region}/{self.zone}"
        return f"{self.provider}:{place}:{self.instance_type}:{self.market.value}"

    def instance_usd_per_hour(self, accelerators: Decimal | None) -> Decimal | None:
        """The price of a whole instance with so many accelerators (W3); None where the count is not known."""
        if self.usd_per_hour is not None:
            return self.usd_per_hour
        if self.usd_per_accelerator_hour is None or accelerators is None:
            return None
        return rounded(self.usd_per_accelerator_hour * accelerators)

    def covers(self, offer: Offer) -> bool:
        """Whether the offer's price is this one."""
        return (
            (self.provider, self.instance_type, self.market)
            == (offer.provider, offer.instance_type, offer.market)
            and self.region in (ANY, offer.region)
            and self.zone in (None, offer.zone)
        )

    def evidence(self, file: str) -> dict[str, str]:
        """The row as the sheet states it."""
        said = {name: value for name, value in self if value is not None and name != "currency"}
        return {"file": file} | {
            name: decimal_text(value) if isinstance(value, Decimal) else str(value)
            for name, value in said.items()
        }


class Adjustment(_Row):
    """A discount, surcharge or fee on list prices."""

    provider: Annotated[_Glob, StringConstraints(to_lower=True)]
    instance_type: _Glob = ANY
    region: _Glob = ANY
    market: Annotated[Market | None, _read_by(_market_or_any)] = Field(
        description=f"one of {_ANY_MARKETS}, or * for both"
    )
    usd_per_hour: Annotated[Decimal, _read_by(_money), Field(ge=-_MOST, le=_MOST)] | None = Field(
        default=None, description="a fee, or a rebate, per instance and hour, e.g. 0.05 or -0.05"
    )
    percent: Annotated[Decimal, _read_by(_number), Field(gt=-100, le=1000)] | None = Field(
        default=None, validate_default=True, description="above -100 and up to 1000, e.g. -12 for 12 % off"
    )

    @field_validator("percent")
    @classmethod
    def _one_amount(cls, percent: Decimal | None, info: ValidationInfo) -> Decimal | None:
        if "usd_per_hour" in info.data and (info.data["usd_per_hour"] is None) == (percent is None):
            raise ValueError("exactly one of percent and usd_per_hour")
        return percent

    def covers(self, offer: Offer) -> bool:
        """Whether it applies to the offer."""
        return (
            fnmatchcase(offer.provider, self.provider)
            and fnmatchcase(offer.instance_type, self.instance_type)
            and fnmatchcase(offer.region, self.region)
            and self.market in (None, offer.market)
        )

    def applied_to(self, usd_per_hour: Decimal) -> Decimal:
        """The price after it, not rounded; may be zero or below."""
        if self.percent is not None:
            return usd_per_hour * (100 + self.percent) / 100
        return usd_per_hour + (self.usd_per_hour or 0)

    def __str__(self) -> str:
        amount = f"{self.percent:+f}%" if self.percent is not None else f"{self.usd_per_hour or 0:+f} USD/h"
        return amount if self.source is None else f"{amount} ({self.source})"


@dataclass(frozen=True, slots=True)
class PriceSheet:
    """A sheet, checked."""

    file: str
    prices: tuple[SheetPrice, ...]
    adjustments: tuple[Adjustment, ...]  #: in the order written, which is the order of application
