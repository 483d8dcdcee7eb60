"""Bills: what ran in the last period charged, at what was really paid."""

from __future__ import annotations

import gzip
from decimal import Decimal
from typing import TYPE_CHECKING

import duckdb
import pytest
from fleet_samples import FIXTURES, KNOWN, imported, lines, reasons

from advisor.errors import InputFileError
from advisor.fleet.importing import Imported, Tool, import_fleet
from advisor.fleet.unpacked import unpacked
from advisor.units import decimal_text

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.fast


def prices(found: Imported) -> dict[str, str]:
    return {
        line.offer_id: decimal_text(line.usd_per_hour_each)
        for line in found.fleet.lines
        if line.usd_per_hour_each
    }


def edited(folder: Path, old: str, new: str) -> Imported:
    text = (FIXTURES / "bill_focus.csv").read_text()
    assert old in text
    path = folder / "bill.csv"
    path.write_text(text.replace(old, new))
    return import_fleet(path, None, KNOWN)


def test_a_focus_bill_says_what_ran_last_and_what_was_paid() -> None:
    found = imported("bill_focus.csv")
    assert found.tool is Tool.BILL
    assert lines(found) == {
        "aws:us-east-1:g6.xlarge:on_demand": 2,
        "aws:us-east-1/use1-az4:g6e.2xlarge:spot": 2,  # 36 hours of a day: 1.5, rounded to even
        "aws:us-east-1:p5.4xlarge:reserved": 1,
        "azure:eastus2:Standard_NC40ads_H100_v5:on_demand": 1,  # from SkuPriceDetails
    }
    assert prices(found) == {
        "aws:us-east-1:g6.xlarge:on_demand": "1.01",
        "aws:us-east-1/use1-az4:g6e.2xlarge:spot": "0.4",  # 14.40 over 36 hours
        "aws:us-east-1:p5.4xlarge:reserved": "2",  # 48.00 over 24, not the list price
        "azure:eastus2:Standard_NC40ads_H100_v5:on_demand": "6.98",
    }


def test_what_ran_for_less_than_half_of_the_period_is_listed() -> None:
    (why,) = reasons(imported("bill_focus.csv")).values()
    assert "2 hours of 24" in why


def test_what_a_bill_passes_over_and_rounds_is_said() -> None:
    said = "\n".join(imported("bill_focus.csv").notes)
    assert "2 rows of the bill charge no instance hours" in said  # a volume and a credit
    assert "1.50 instances on average, taken as 2" in said
    assert "us-east-1a" in said


def test_the_cost_and_usage_report_reads_alike() -> None:
    found = imported("bill_cur.csv")
    assert prices(found) == {
        "aws:us-east-1:g6.xlarge:on_demand": "0.8048",
        "aws:us-east-1:g6e.2xlarge:spot": "0.61",
        "aws:us-east-1:p5.4xlarge:reserved": "4.1",
    }


def test_the_legacy_report_names_its_columns_otherwise(tmp_path: Path) -> None:
    header, rest = (FIXTURES / "bill_cur.csv").read_text().split("\n", 1)
    legacy = {
        "line_item_line_item_type": "lineItem/LineItemType",
        "line_item_usage_start_date": "lineItem/UsageStartDate",
        "line_item_usage_end_date": "lineItem/UsageEndDate",
        "line_item_usage_type": "lineItem/UsageType",
        "line_item_usage_amount": "lineItem/UsageAmount",
        "line_item_unblended_cost": "lineItem/UnblendedCost",
        "product_instance_type": "product/instanceType",
        "product_region_code": "product/regionCode",
        "savings_plan_savings_plan_effective_cost": "savingsPlan/SavingsPlanEffectiveCost",
    }
    path = tmp_path / "cur.csv"
    path.write_text(",".join(legacy.get(name, name) for name in header.split(",")) + "\n" + rest)
    assert prices(import_fleet(path, None, KNOWN)) == prices(imported("bill_cur.csv"))


@pytest.mark.parametrize("name", ["bill_focus.csv", "bill_cur.csv"])
def test_bills_are_read_as_the_clouds_store_them(tmp_path: Path, name: str) -> None:
    packed = tmp_path / "bill.csv.gz"
    packed.write_bytes(gzip.compress((FIXTURES / name).read_bytes()))
    parquet = tmp_path / "bill.parquet"
    duckdb.sql(f"COPY (FROM read_csv('{FIXTURES / name}')) TO '{parquet}' (FORMAT parquet)")
    plain = imported(name).fleet.lines
    assert import_fleet(packed, None, KNOWN).fleet.lines == plain
    assert import_fleet(parquet, None, KNOWN).fleet.lines == plain


def test_the_details_of_a_sku_may_be_a_map(tmp_path: Path) -> None:
    path = tmp_path / "bill.parquet"
    duckdb.sql(
        "COPY (SELECT 6.98 AS BilledCost, 'Usage' AS ChargeCategory, 1 AS ConsumedQuantity, "
        "'Hours' AS ConsumedUnit, 'Microsoft' AS ProviderName, 'eastus2' AS RegionId, "
        "TIMESTAMPTZ '2026-11-20 00:00:00+00' AS ChargePeriodStart, "
        "TIMESTAMPTZ '2026-11-20 01:00:00+00' AS ChargePeriodEnd, "
        f"MAP {{'InstanceType': 'Standard_NC40ads_H100_v5'}} AS SkuPriceDetails) TO '{path}' (FORMAT parquet)"
    )
    found = import_fleet(path, None, KNOWN)
    assert prices(found) == {"azure:eastus2:Standard_NC40ads_H100_v5:on_demand": "6.98"}


@pytest.mark.parametrize(
    "content",
    [b"PAR1 and no more", gzip.compress(b"a,b\n" * 99)[:-9], b"\x1f\x8b"],
    ids=["parquet", "gzip", "no gzip"],
)
def test_a_damaged_file_is_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bill"
    path.write_bytes(content)
    with pytest.raises(InputFileError):
        import_fleet(path, None, KNOWN)


def test_what_unpacks_beyond_the_bound_is_refused(tmp_path: Path) -> None:
    packed = gzip.compress(bytes(10**6))
    assert len(packed) < 2000
    with pytest.raises(InputFileError, match="unpacked"):
        unpacked(packed, tmp_path / "bill.csv.gz", 2**19)


def test_another_currency_leaves_the_price_blank(tmp_path: Path) -> None:
    found = edited(tmp_path, ",USD,", ",EUR,")
    assert {line.usd_per_hour_each for line in found.fleet.lines} == {None}
    assert [note for note in found.notes if "EUR" in note]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (",24,Hours,1.01", ",many,Hours,1.01", "line 3, ConsumedQuantity: 'many'"),
        ("2026-11-21T00:00:00Z", "tomorrow", "line 3, ChargePeriodEnd: 'tomorrow'"),
        (",24.24,Standard", ",24.24,extra,Standard", "line 3: '18 cells'"),
        (",Usage,", ",Purchase,", "charges an instance type by the hour"),
    ],
)
def test_a_bad_bill_is_refused_by_line_and_column(tmp_path: Path, old: str, new: str, said: str) -> None:
    with pytest.raises(InputFileError) as refused:
        edited(tmp_path, old, new)
    assert said in str(refused.value)


def test_a_forecast_of_our_own_is_no_bill(tmp_path: Path) -> None:
    path = tmp_path / "report.csv"
    path.write_text("BillingAccountId,BilledCost,ChargeCategory\nESTIMATE-NOT-BILLED,1.00,Usage\n")
    with pytest.raises(InputFileError, match="forecast"):
        import_fleet(path, None, KNOWN)


def test_hours_and_price_give_the_bill_back() -> None:
    total = sum(
        (line.usd_per_hour_each or Decimal(0)) * line.instances * 24
        for line in imported("bill_focus.csv").fleet.lines
        if line.instance_type == "g6.xlarge"
    )
    assert total == Decimal("48.48")  # two machines at 24.24
