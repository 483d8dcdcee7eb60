"""CSV and JSON in FOCUS columns: the rules of the specification, exact identities, and the same totals."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest
from focus_rules import RULES, violations
from hypothesis import given, settings
from hypothesis import strategies as st
from report_builder import FULL, a_plan, a_report

from advisor.report.focus import COLUMNS, CUSTOM, focus_csv, focus_json, rows


def read_csv(text: str) -> list[dict[str, str | None]]:
    """Blank is null."""
    return [{key: value or None for key, value in row.items()} for row in csv.DictReader(io.StringIO(text))]


def test_every_row_keeps_every_rule() -> None:
    for row in rows(a_report(a_plan(**FULL))):
        assert violations(row) == {}


def test_the_file_has_the_columns_of_focus_1_2_then_ours() -> None:
    header = next(csv.reader(io.StringIO(focus_csv(a_report()))))
    assert tuple(header) == COLUMNS + CUSTOM
    assert len(COLUMNS) == len(set(COLUMNS)) == 57
    assert list(COLUMNS) == sorted(COLUMNS)
    assert all(name.startswith("x_") for name in CUSTOM)


def test_csv_and_json_hold_the_same_rows() -> None:
    report = a_report()
    assert json.loads(focus_json(report))["focus"]["rows"] == rows(report)
    assert read_csv(focus_csv(report)) == rows(report)


def test_spot_is_dynamic_and_list_prices_are_standard() -> None:
    spot, listed = rows(a_report())
    assert (spot["PricingCategory"], listed["PricingCategory"]) == ("Dynamic", "Standard")
    # 2 × 730 hours at 4.0125, and 1 × 730 at 3.6734
    assert (spot["PricingQuantity"], spot["ListCost"]) == ("1460.0", "5858.25")
    assert (listed["PricingQuantity"], listed["ListCost"]) == ("730.0", "2681.582")
    assert (spot["ProviderName"], listed["ProviderName"]) == ("AWS", "Google Cloud")
    assert (spot["AvailabilityZone"], listed["AvailabilityZone"]) == ("us-east-1a", None)


def test_the_period_is_the_next_whole_month() -> None:
    for now, start, end in (
        (datetime(2026, 10, 30, tzinfo=UTC), "2026-11-01", "2026-12-01"),
        (datetime(2026, 11, 30, tzinfo=UTC), "2026-12-01", "2027-01-01"),
        (datetime(2026, 12, 31, tzinfo=UTC), "2027-01-01", "2027-02-01"),
    ):
        row = rows(a_report(now=now))[0]
        assert row["ChargePeriodStart"] == row["BillingPeriodStart"] == f"{start}T00:00:00Z"
        assert row["ChargePeriodEnd"] == row["BillingPeriodEnd"] == f"{end}T00:00:00Z"


def test_an_estimate_is_never_mistaken_for_a_bill() -> None:
    for row in rows(a_report()):
        assert row["BillingAccountId"] == "ESTIMATE-NOT-BILLED"
        assert row["x_Estimate"] == "true"
        assert str(row["ChargeDescription"]).startswith("Estimate: ")


def test_a_price_resolves_to_its_evidence() -> None:
    row = rows(a_report())[0]
    assert row["x_PriceEvidenceId"] == "e" * 64
    assert row["x_PriceFetchedAt"] == "2026-10-27T00:00:00Z"


@settings(max_examples=60)
@given(
    price=st.decimals("0.00000001", "99999", places=8),
    count=st.integers(1, 10_000),
)
def test_costs_are_exact_products_and_add_up_to_the_month(price: Decimal, count: int) -> None:
    plan = a_plan()
    line = plan.purchase[0].model_copy(update={"usd_per_hour_each": price, "instances": count})
    report = a_report(plan.model_copy(update={"purchase": [line, plan.purchase[1]]}))
    found = rows(report)
    assert all(violations(row) == {} for row in found)
    whole = sum((Decimal(str(row["BilledCost"])) for row in found), Decimal(0))
    month = whole.quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)
    assert month == report.totals.usd_per_month
    assert json.loads(focus_json(report))["totals"]["usd_per_month"] == f"{month.normalize():f}"


BROKEN: dict[str, dict[str, Any]] = {
    "mandatory columns are not null": {"ServiceName": None},
    "values are from the lists": {"PricingCategory": "Spot"},
    "numbers are numbers": {"ListCost": "5,858.25"},
    "moments are UTC in ISO 8601": {"ChargePeriodStart": "2026-11-01"},
    "periods nest": {"ChargePeriodEnd": "2027-12-01T00:00:00Z"},
    "ListUnitPrice × PricingQuantity = ListCost": {"ListUnitPrice": "4.0126"},
    "ContractedUnitPrice × PricingQuantity = ContractedCost": {"ContractedCost": "5858.26"},
    "the pricing currency's effective cost fits": {"PricingCurrencyEffectiveCost": "1"},
    "text is ASCII": {"ChargeDescription": "2 × g6.xlarge"},
    "currencies are ISO 4217": {"BillingCurrency": "$"},
    "quantity and unit of consumption go together": {"ConsumedUnit": None},
    "quantity and unit of pricing go together": {"PricingUnit": None},
    "account id and type go together": {"BillingAccountType": None},
    "reservation status follows its id": {"CapacityReservationStatus": "Used"},
    "commitment status follows its id": {"CommitmentDiscountStatus": "Used"},
    "commitment name follows its id": {"CommitmentDiscountName": "plan"},
    "resource type follows its id": {"ResourceType": "VM"},
    "subaccount name follows its id": {"SubAccountName": "x"},
    "subcategory belongs to its category": {"ServiceSubcategory": "Virtual Machine"},
    "a SKU is named": {"SkuPriceId": None},
    "SKU details are an object with known keys": {"SkuPriceDetails": '{"GpuModel": "H100"}'},
    "nothing is discounted without a reason": {"EffectiveCost": "1"},
}


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_can_be_broken(rule: str) -> None:
    row = rows(a_report())[0] | BROKEN[rule]
    assert rule in violations(row)


def test_json_carries_the_whole_report() -> None:
    document = json.loads(focus_json(a_report()))
    assert document["totals"] == {
        "instances": 3, "usd_per_hour": "11.6984", "usd_per_month": "8539.83", "usd_per_year": "102477.98",
    }  # fmt: skip
    assert [part["id"] for part in document["sections"]] == [part.key for part in a_report().sections]
    (lines,) = [
        block["table"] for part in document["sections"] for block in part["content"]
        if block.get("table", {}).get("id") == "lines"
    ]  # fmt: skip
    assert lines["rows"][0]["usd_per_month"] == "5858.25"
    assert lines["total"]["usd_per_year"] == "102477.98"
