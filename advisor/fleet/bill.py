"""Bills: what ran in the last period that was charged, and what an hour of it cost.

FOCUS 1.0 to 1.3 as CSV, and the AWS Cost and Usage Report (CUR 2.0 and legacy column names), whose rows are
first put into FOCUS words. A row counts if it charges the use of an instance type by the hour; an instance
that ran half of the period is half an instance, and lines are rounded to whole ones with a word.

Source: FOCUS 1.2 column definitions (focus.finops.org); AWS Data Exports user guide, CUR 2.0 dictionary.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Final

from advisor.errors import InputFileError
from advisor.fleet.found import Found, Unread

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PROVIDERS: Final = {
    "aws": "aws", "amazon web services": "aws", "amazon": "aws", "amazon web services, inc.": "aws",
    "microsoft": "azure", "azure": "azure", "microsoft azure": "azure",
    "google cloud": "gcp", "google": "gcp", "gcp": "gcp", "google cloud platform": "gcp",
    "lambda": "lambda", "nebius": "nebius", "runpod": "runpod",
}  # fmt: skip
"""How providers name themselves in ``ProviderName`` or ``ServiceProviderName``; others stay as they are."""

MARKETS: Final = {"standard": "on_demand", "dynamic": "spot", "committed": "reserved"}
"""``PricingCategory`` in our words; Other is listed."""

ESTIMATE: Final = "ESTIMATE-NOT-BILLED"
"""The account of the rows `advisor report` writes."""

FOCUS_MARKS: Final = frozenset({"ChargeCategory", "BilledCost"})

CUR_COLUMNS: Final = {
    "BillingCurrency": ("line_item_currency_code",),
    "ChargePeriodStart": ("line_item_usage_start_date",),
    "ChargePeriodEnd": ("line_item_usage_end_date",),
    "ConsumedQuantity": ("line_item_usage_amount",),
    "BilledCost": ("line_item_unblended_cost",),
    "EffectiveCost": (
        "savings_plan_savings_plan_effective_cost", "reservation_effective_cost", "line_item_unblended_cost",
    ),
    "RegionId": ("product_region_code", "product_region"),
    "AvailabilityZone": ("line_item_availability_zone",),
    "ResourceId": ("line_item_resource_id",),
    "x_InstanceType": ("product_instance_type",),
    "x_LineItemType": ("line_item_line_item_type",),
    "x_UsageType": ("line_item_usage_type",),
    "x_Product": ("line_item_product_code",),
}  # fmt: skip
"""The FOCUS column of each column of a CUR that says the same, the first that is filled."""

_FOCUS_COLUMNS: Final = (
    "BillingAccountId", "BillingCurrency", "ChargeCategory", "ChargePeriodStart", "ChargePeriodEnd",
    "ConsumedQuantity", "ConsumedUnit", "PricingQuantity", "PricingUnit", "PricingCategory",
    "ContractedUnitPrice", "BilledCost", "EffectiveCost", "ProviderName", "ServiceProviderName",
    "PublisherName", "RegionId", "AvailabilityZone", "ResourceId", "SkuMeter", "SkuPriceDetails",
    "x_SkuDetails", "x_InstanceType", "x_UsageType",
)  # fmt: skip
COLUMNS: Final = frozenset(map(str.casefold, _FOCUS_COLUMNS)) | {
    name for names in CUR_COLUMNS.values() for name in names
}
"""Every column that is read, in lower case."""

_NO_CHARGE: Final = (
    "a row that charges an instance type by the hour; Google Cloud charges vCPUs, memory and GPUs apart: "
    "import `gcloud compute instances list --format=json` instead"
)
_COMMITTED_LINES: Final = ("discountedusage", "savingsplancoveredusage")
_INSTANCE_USAGE: Final = re.compile(
    r"(?:^|-)(?:BoxUsage|SpotUsage|DedicatedUsage|UnusedBox)(?::(?P<type>[\w.-]+))?$", re.IGNORECASE
)


@dataclass(slots=True)
class _Line:
    """Hours of one kind at one price."""

    hours: Decimal = Decimal(0)
    resources: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Charge:
    """One row that charges instance hours."""

    provider: str
    region: str | None
    zone: str | None
    instance_type: str
    market: str
    usd_per_hour: Decimal | None
    hours: Decimal
    start: datetime
    end: datetime
    resource: str


def is_bill(text: str) -> bool:
    """Whether a text is CSV with the columns of a bill."""
    header = next(csv.reader(io.StringIO(text[:100_000])), [])
    return set(map(str.strip, header)) >= FOCUS_MARKS or "line_item_usage_type" in map(_cur_name, header)


def read_bill(text: str, file: str) -> Iterator[Found | Unread]:
    """What ran in the last period charged, as whole instances.

    Raises:
        InputFileError: it is no bill, a forecast of our own, or a figure in it is none.
    """
    charges, passed_over, currencies = [], 0, set()
    for place, row in _rows(text, file):
        if row.get("BillingAccountId") == ESTIMATE:
            allowed = "a bill; this is a forecast that `advisor report` wrote"
            raise InputFileError(file, f"{place}, BillingAccountId", ESTIMATE, allowed)
        charge = _charge(row, file, place)
        if charge is None:
            passed_over += 1
            continue
        currencies.add(row.get("BillingCurrency") or "USD")
        charges.append(charge)
    if not charges:
        raise InputFileError(file, "", f"{passed_over:,} rows", _NO_CHARGE)
    yield from _running(charges, _notes(passed_over, currencies - {"USD"}))


def _notes(passed_over: int, currencies: set[str]) -> list[str]:
    said = []
    if passed_over:
        said.append(f"{passed_over:,} rows of the bill charge no instance hours: passed over")
    if currencies:
        said.append(f"prices left blank: billed in {', '.join(sorted(currencies))}, not USD")
    return said


def _rows(text: str, file: str) -> Iterator[tuple[str, dict[str, str]]]:
    """The rows, in FOCUS words, each with its line."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        from_cur = not set(header) >= FOCUS_MARKS
        names = [_cur_name(name) for name in header] if from_cur else header
        for cells in reader:
            if not any(cells):
                continue
            place = f"line {reader.line_num}"
            if len(cells) != len(names):
                raise InputFileError(
                    file, place, f"{len(cells)} cells", f"{len(names)} cells, as in the header"
                )
            row = {name: cell.strip() for name, cell in zip(names, cells, strict=True)}
            yield place, _focus_of(row) if from_cur else row
    except csv.Error as error:
        raise InputFileError(file, f"line {reader.line_num}", str(error), "the file must be CSV") from None


def _cur_name(name: str) -> str:
    """``lineItem/UsageStartDate`` of the legacy report is ``line_item_usage_start_date`` of CUR 2.0."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.strip()).replace("/", "_").casefold()


def _focus_of(row: Mapping[str, str]) -> dict[str, str]:
    """A row of a CUR in FOCUS words."""
    found = {
        focus: next((row[name] for name in names if row.get(name) not in (None, "", "0", "0.0")), "")
        for focus, names in CUR_COLUMNS.items()
    }
    kind, usage = found["x_LineItemType"].casefold(), found["x_UsageType"]
    is_use = kind == "usage" or kind in _COMMITTED_LINES
    found["ChargeCategory"] = "Usage" if is_use and _INSTANCE_USAGE.search(usage) else kind
    found["ConsumedUnit"] = "Hours"
    found["ProviderName"] = "AWS"
    market = "Dynamic" if "spotusage" in usage.casefold() else "Standard"
    found["PricingCategory"] = "Committed" if kind in _COMMITTED_LINES else market
    return found


def _charge(row: Mapping[str, str], file: str, place: str) -> _Charge | None:
    """The instance hours a row charges; None if it charges anything else."""
    instance_type = _instance_type(row)
    unit, quantity = row.get("ConsumedUnit") or row.get("PricingUnit"), row.get("ConsumedQuantity")
    if not quantity:
        unit, quantity = row.get("PricingUnit"), row.get("PricingQuantity")
    if row.get("ChargeCategory", "").casefold() != "usage" or not instance_type or not _is_hours(unit):
        return None
    hours = _decimal(quantity, file, f"{place}, ConsumedQuantity")
    if not hours:
        return None
    named = row.get("ServiceProviderName") or row.get("ProviderName") or row.get("PublisherName") or ""
    category = row.get("PricingCategory") or "Standard"
    return _Charge(
        provider=PROVIDERS.get(named.casefold(), named.casefold()),
        region=row.get("RegionId") or None,
        zone=row.get("AvailabilityZone") or None,
        instance_type=instance_type,
        market=MARKETS.get(category.casefold(), category),
        usd_per_hour=_price(row, hours, file, place),
        hours=hours,
        start=_moment(row.get("ChargePeriodStart"), file, f"{place}, ChargePeriodStart"),
        end=_moment(row.get("ChargePeriodEnd"), file, f"{place}, ChargePeriodEnd"),
        resource=row.get("ResourceId") or "",
    )


def _instance_type(row: Mapping[str, str]) -> str | None:
    """From ``x_InstanceType``, AWS's usage type (``USE2-BoxUsage:g5.2xlarge``), or the SKU's details."""
    if row.get("x_InstanceType"):
        return row["x_InstanceType"]
    used = (_INSTANCE_USAGE.search(row.get(column, "")) for column in ("x_UsageType", "SkuMeter"))
    metered = next((match["type"] for match in used if match), None)
    if metered:
        return metered
    try:
        details = json.loads(row.get("SkuPriceDetails") or row.get("x_SkuDetails") or "null")
    except ValueError:
        return None
    values = details if isinstance(details, dict) else {}
    found = (values.get(key) for key in ("InstanceType", "x_InstanceType", "ServiceType"))
    return next((one for one in found if isinstance(one, str) and one), None)


def _is_hours(unit: str | None) -> bool:
    return (unit or "").strip().casefold() in ("hours", "hour", "hrs", "hr", "1 hour", "instance-hours")


def _price(row: Mapping[str, str], hours: Decimal, file: str, place: str) -> Decimal | None:
    """Dollars an hour really paid: the contracted unit price; under a commitment, the effective cost."""
    if (row.get("BillingCurrency") or "USD").upper() != "USD":
        return None
    committed = (row.get("PricingCategory") or "").casefold() == "committed"
    if row.get("ContractedUnitPrice") and _is_hours(row.get("PricingUnit")) and not committed:
        return _decimal(row["ContractedUnitPrice"], file, f"{place}, ContractedUnitPrice") or None
    for column in ("EffectiveCost", "BilledCost"):
        if row.get(column):
            cost = _decimal(row[column], file, f"{place}, {column}")
            return (cost / hours).quantize(Decimal("1e-6")) if cost > 0 else None
    return None


def _decimal(text: str | None, file: str, place: str) -> Decimal:
    try:
        number = Decimal((text or "").strip())
    except InvalidOperation:
        number = Decimal("nan")
    if not number.is_finite() or abs(number) > 10**12:
        raise InputFileError(file, place, text, "a number")
    return number


def _moment(text: str | None, file: str, place: str) -> datetime:
    try:
        moment = datetime.fromisoformat((text or "").strip())
    except ValueError:
        raise InputFileError(file, place, text, "a date and time such as 2026-11-20T00:00:00Z") from None
    return moment.replace(tzinfo=None)  # all in UTC, as both formats require


def _running(charges: list[_Charge], notes: list[str]) -> Iterator[Found | Unread]:
    """Instances of the last period of each provider."""
    last: dict[str, datetime] = {}
    for one in charges:
        last[one.provider] = max(one.end, last.get(one.provider, one.end))
    lines: dict[tuple[str, str | None, str | None, str, str, Decimal | None, timedelta], _Line] = defaultdict(
        _Line
    )
    for one in charges:
        if one.end == last[one.provider] and one.end > one.start:
            key = (one.provider, one.region, one.zone, one.instance_type, one.market, one.usd_per_hour)
            line = lines[*key, one.end - one.start]
            line.hours += one.hours
            line.resources |= {one.resource} - {""}
    for (provider, region, zone, instance_type, market, price, period), line in lines.items():
        many = line.hours / (Decimal(period.total_seconds()) / 3600)
        count = int(many.to_integral_value())
        what = f"{', '.join(sorted(line.resources)[:3]) or 'usage'} until {last[provider]:%Y-%m-%d %H:%M}"
        if count < 1:
            hours = f"{line.hours.normalize():f} hours of {period.total_seconds() / 3600:g}"
            yield Unread(f"{what} ({instance_type})", None, f"it ran {hours}: less than half an instance")
            continue
        rounded = (
            f"{instance_type}: {many:.2f} instances on average, taken as {count}" if many != count else ""
        )
        said = tuple(filter(None, (*notes, rounded)))
        yield Found(what, provider, region, zone, instance_type, market, count, price, notes=said)
