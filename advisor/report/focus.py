"""The plan as an estimate in the columns of FOCUS 1.2, as CSV, and as JSON beside the whole report.

A forecast is no FOCUS dataset; what differs is written down in ``docs/focus.md``. Identities hold exactly, in
Decimal: unit price × quantity = cost, for the list price, the contracted price and the pricing currency.
"""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from advisor.domain import Market
from advisor.report.blocks import Block, Facts, Figure, Kind, Quotation, Sentences, Signatures, Table
from advisor.text import no_formula, printable, printable_json
from advisor.units import decimal_text

if TYPE_CHECKING:
    from advisor.report.blocks import Column, Line, Report, SideLine, Value

FOCUS_VERSION: Final = "1.2"
ACCOUNT: Final = "ESTIMATE-NOT-BILLED"
"""Billing account of every row: the specification forbids a blank, and nothing was billed."""

COLUMNS: Final = (
    "AvailabilityZone", "BilledCost", "BillingAccountId", "BillingAccountName", "BillingAccountType",
    "BillingCurrency", "BillingPeriodEnd", "BillingPeriodStart", "CapacityReservationId",
    "CapacityReservationStatus", "ChargeCategory", "ChargeClass", "ChargeDescription", "ChargeFrequency",
    "ChargePeriodEnd", "ChargePeriodStart", "CommitmentDiscountCategory", "CommitmentDiscountId",
    "CommitmentDiscountName", "CommitmentDiscountQuantity", "CommitmentDiscountStatus",
    "CommitmentDiscountType", "CommitmentDiscountUnit", "ConsumedQuantity", "ConsumedUnit", "ContractedCost",
    "ContractedUnitPrice", "EffectiveCost", "InvoiceId", "InvoiceIssuerName", "ListCost", "ListUnitPrice",
    "PricingCategory", "PricingCurrency", "PricingCurrencyContractedUnitPrice",
    "PricingCurrencyEffectiveCost", "PricingCurrencyListUnitPrice", "PricingQuantity", "PricingUnit",
    "ProviderName", "PublisherName", "RegionId", "RegionName", "ResourceId", "ResourceName", "ResourceType",
    "ServiceCategory", "ServiceName", "ServiceSubcategory", "SkuId", "SkuMeter", "SkuPriceDetails",
    "SkuPriceId", "SubAccountId", "SubAccountName", "SubAccountType", "Tags",
)  # fmt: skip
"""Every column of FOCUS 1.2, in its order."""

CUSTOM: Final = (
    "x_Estimate", "x_PlanId", "x_SnapshotId", "x_ValidUntil", "x_HoursPerMonth", "x_InstanceCount",
    "x_AcceleratorId", "x_PriceState", "x_PriceFetchedAt", "x_PriceSource", "x_PriceEvidenceId",
    "x_ProvedOptimal", "x_OptimalityGap", "x_Slo",
)  # fmt: skip
"""Ours beside them, as the specification allows: prefixed with ``x_``."""

_PRICING: Final = {Market.ON_DEMAND: "Standard", Market.SPOT: "Dynamic", Market.RESERVED: "Committed"}
_PROVIDERS: Final = {
    "aws": ("AWS", "Amazon Web Services, Inc.", "Amazon Elastic Compute Cloud"),
    "azure": ("Microsoft", "Microsoft", "Virtual Machines"),
    "gcp": ("Google Cloud", "Google Cloud", "Compute Engine"),
}
"""Provider, invoice issuer and service as their own FOCUS exports name them; others keep our id."""

Row = dict[str, str | None]


def rows(report: Report) -> list[Row]:
    """One row per line to buy and per side cost, for the first whole month after the report."""
    start, end = _month_after(report.made_at)
    common = _common(report, start, end)
    lines = [common | _line(line, report) for line in report.lines]
    return lines + [common | _side(side, report) for side in report.side_lines]


def focus_csv(report: Report) -> str:
    """The rows as CSV: blank is null; text that a spreadsheet would run is quoted with an apostrophe."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    names = (*COLUMNS, *CUSTOM)
    writer.writerow(names)
    for row in rows(report):
        writer.writerow(["" if row[name] is None else no_formula(str(row[name])) for name in names])
    return buffer.getvalue()


def focus_json(report: Report) -> str:
    """The whole report and the rows, as JSON; money is a decimal string."""
    totals = report.totals
    document: dict[str, Any] = {
        "kind": "report",
        "schema_version": 1,
        "title": report.title,
        "plan_id": report.plan_id,
        "snapshot_id": report.snapshot_id,
        "advisor_version": report.advisor_version,
        "made_at": _moment(report.made_at),
        "valid_until": report.valid_until.isoformat(),
        "hours_per_month": report.hours_per_month,
        "totals": {
            "instances": totals.instances,
            "usd_per_hour": decimal_text(totals.usd_per_hour),
            "usd_per_month": decimal_text(totals.usd_per_month),
            "usd_per_year": decimal_text(totals.usd_per_year),
        },
        "sections": [
            {
                "id": section.key,
                "title": section.title,
                "absent": section.absent,
                "content": [_plain(block) for block in section.blocks],
            }
            for section in report.sections
        ],
        "focus": {"version": FOCUS_VERSION, "rows": rows(report)},
    }
    return printable_json(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)) + "\n"


def _month_after(moment: datetime) -> tuple[date, date]:
    """First day of the next month, and of the one after it: the end of a period is exclusive."""
    months = moment.year * 12 + moment.month  # month 0 is January, so this is the next one
    return tuple(date((months + ahead) // 12, (months + ahead) % 12 + 1, 1) for ahead in (0, 1))  # type: ignore[return-value]


def _midnight(day: date) -> str:
    return f"{day.isoformat()}T00:00:00Z"


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _common(report: Report, start: date, end: date) -> Row:
    row: Row = dict.fromkeys((*COLUMNS, *CUSTOM))
    return row | {
        "BillingAccountId": ACCOUNT,
        "BillingAccountName": "Estimate, not billed",
        "BillingAccountType": "Estimate",
        "BillingCurrency": "USD",
        "BillingPeriodStart": _midnight(start),
        "BillingPeriodEnd": _midnight(end),
        "ChargePeriodStart": _midnight(start),
        "ChargePeriodEnd": _midnight(end),
        "ChargeCategory": "Usage",
        "ChargeFrequency": "Usage-Based",
        "PricingCurrency": "USD",
        "x_Estimate": "true",
        "x_PlanId": _text(report.plan_id),
        "x_SnapshotId": _text(report.snapshot_id),
        "x_ValidUntil": report.valid_until.isoformat(),
        "x_HoursPerMonth": str(report.hours_per_month),
        "x_ProvedOptimal": "true" if report.proved else "false",
        "x_OptimalityGap": decimal_text(Decimal(repr(report.relative_gap))),
        "x_Slo": _text(report.slo.replace("≤", "<=")),
    }


def _line(line: Line, report: Report) -> Row:
    provider, issuer, service = _PROVIDERS.get(line.provider, (line.provider,) * 2 + ("GPU instances",))
    quantity = Decimal(line.instances) * report.hours_per_month
    place = line.region if line.zone is None else f"{line.region}, zone {line.zone}"
    market = line.market.value.replace("_", " ")
    return _costs(line.list_usd_per_hour_each, line.usd_per_hour_each, quantity, "Hours") | {
        "AvailabilityZone": _text(line.zone),
        "ChargeDescription": _text(
            f"Estimate: {line.instances} x {line.instance_type} {market} in {place}, "
            f"{report.hours_per_month} hours each"
        ),
        "InvoiceIssuerName": _text(issuer),
        "PricingCategory": _PRICING[line.market],
        "ProviderName": _text(provider),
        "PublisherName": _text(provider),
        "RegionId": _text(line.region),
        "RegionName": _text(line.region_name or line.region),
        "ServiceCategory": "Compute",
        "ServiceSubcategory": "Virtual Machines",
        "ServiceName": _text(service),
        "SkuId": _text(f"{line.provider}:{line.region}:{line.instance_type}"),
        "SkuMeter": "Instance hours",
        "SkuPriceDetails": _details(line),
        "SkuPriceId": _text(line.offer_id),
        "x_InstanceCount": str(line.instances),
        "x_AcceleratorId": _text(line.accelerator),
        "x_PriceState": _text(line.price_state),
        "x_PriceFetchedAt": _moment(line.price_collected_at),
        "x_PriceSource": _text(line.price_source),
        "x_PriceEvidenceId": _text(line.price_evidence),
    }


def _side(side: SideLine, report: Report) -> Row:
    name = f"Data transfer ({side.name})"
    return _costs(side.usd_per_hour, side.usd_per_hour, Decimal(report.hours_per_month), "Hours") | {
        "ChargeDescription": _text(f"Estimate: {side.name}, {side.detail}"),
        "InvoiceIssuerName": _text(side.provider or "various"),
        "PricingCategory": "Standard",
        "ProviderName": _text(side.provider or "various"),
        "PublisherName": _text(side.provider or "various"),
        "ServiceCategory": "Networking",
        "ServiceSubcategory": "Other (Networking)",
        "ServiceName": _text(name),
        "SkuId": _text(side.name),
        "SkuMeter": _text(name),
        "SkuPriceId": _text(side.name),
    }


def _costs(listed: Decimal, paid: Decimal, quantity: Decimal, unit: str) -> Row:
    """Prices, quantities and costs that belong together; products are exact."""
    cost = decimal_text(paid * quantity)
    hours = f"{quantity:f}.0"  # whole hours, with a decimal so that readers take the column for Decimal
    return {
        "PricingQuantity": hours,
        "PricingUnit": unit,
        "ConsumedQuantity": hours,
        "ConsumedUnit": unit,
        "ListUnitPrice": decimal_text(listed),
        "ListCost": decimal_text(listed * quantity),
        "ContractedUnitPrice": decimal_text(paid),
        "ContractedCost": cost,
        "EffectiveCost": cost,
        "BilledCost": cost,
        "PricingCurrencyListUnitPrice": decimal_text(listed),
        "PricingCurrencyContractedUnitPrice": decimal_text(paid),
        "PricingCurrencyEffectiveCost": cost,
    }


def _details(line: Line) -> str:
    """The shape as JSON; keys the specification does not name carry ``x_``."""
    known: dict[str, object] = {
        "InstanceType": line.instance_type,
        "CoreCount": line.vcpus,
        "MemorySize": line.memory_gib,
        "GpuCount": line.accelerators_per_instance,
        "OperatingSystem": "Linux",
        "x_GpuModel": line.accelerator_name,
        "x_GpuMemoryGB": line.accelerator_memory_gb,
    }
    return json.dumps({key: value for key, value in known.items() if value is not None}, ensure_ascii=True)


def _text(value: str | None) -> str | None:
    """Printable ASCII, as the specification asks of text; anything else is spelt out."""
    return None if value is None else printable(value).encode("ascii", "backslashreplace").decode()


def _plain(block: Block) -> dict[str, Any]:
    """A block as JSON."""
    if isinstance(block, Facts):
        facts = [{"label": fact.label, "value": _value(fact.value, fact.kind)} for fact in block.facts]
        return {"facts": facts}
    if isinstance(block, Table):
        return {"table": _table(block)}
    if isinstance(block, Figure):
        return {"figure": {"title": block.title, "words": block.description, "table": _table(block.table)}}
    if isinstance(block, Sentences):
        return {"sentences": list(block.lines)}
    if isinstance(block, Quotation):
        return {"text": block.text}
    assert isinstance(block, Signatures)
    return {"signatures": list(block.roles)}


def _table(table: Table) -> dict[str, Any]:
    def record(row: tuple[Value, ...], columns: tuple[Column, ...]) -> dict[str, Any]:
        pairs = zip(columns, row, strict=True)
        return {column.key: _value(value, column.kind) for column, value in pairs}

    return {
        "id": table.key,
        "caption": table.caption,
        "rows": [record(row, table.columns) for row in table.rows],
        "total": record(table.total, table.columns) if table.total else None,
    }


def _value(value: Value, kind: Kind) -> object:
    if isinstance(value, Decimal):
        return _amount(value)
    if isinstance(value, datetime):
        return _moment(value) if kind is not Kind.DAY else value.date().isoformat()
    return value.isoformat() if isinstance(value, date) else value


def _amount(value: Decimal) -> str:
    return f"-{decimal_text(-value)}" if value < 0 else decimal_text(value)
