"""`--prices`: a user's own sheet in place of list prices, for one question and all that follows from it."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from cli_harness import call

if TYPE_CHECKING:
    from pathlib import Path

HEAD = "provider,instance_type,region,market,usd_per_hour\n"
QUOTE = f"{HEAD}aws,g7e.2xlarge,us-east-1,on_demand,2.10\n"
DISCOUNT = "adjustments:\n  - {provider: aws, market: '*', percent: -25, source: EDP}\n"
ASKED = ("--region", "aws:us-east-1", "--market", "on_demand", "--no-replay", "--format", "json")


@pytest.fixture
def quote(tmp_path: Path) -> Path:
    path = tmp_path / "quote.csv"
    path.write_text(QUOTE)
    return path


@pytest.fixture
def plan(quote: Path, tmp_path: Path) -> Path:
    """A plan at the price quoted."""
    path = tmp_path / "plan.json"
    said = call("recommend", *ASKED, "--prices", str(quote), "-o", str(path))
    assert said.code == 0, said.err
    return path


def bought(plan: Path) -> dict[str, Decimal]:
    lines = json.loads(plan.read_text())["purchase"]
    return {line["instance_type"]: Decimal(line["usd_per_hour_each"]) for line in lines}


def test_the_price_quoted_is_paid_and_the_plan_alone_finds_it_again(plan: Path, quote: Path) -> None:
    assert bought(plan) == {"g7e.2xlarge": Decimal("2.10")}
    quote.unlink()
    assert call("verify", str(plan)).code == 0
    assert call("explain", str(plan)).code == 0
    assert call("report", str(plan), "-o", str(plan.with_suffix(".md"))).code == 0
    assert "2.10" in plan.with_suffix(".md").read_text()


@pytest.mark.usefixtures("plan")
def test_nobody_else_is_asked_at_that_price(home: Path) -> None:
    said = call("recommend", *ASKED)
    assert "2.1" not in {line["usd_per_hour_each"] for line in json.loads(said.out)["purchase"]}
    assert not (home / "snapshots").exists()
    shown = {one["origin"] for one in json.loads(call("catalog", "list", "--format", "json").out)}
    assert shown == {"shipped"}


def test_the_same_sheet_over_the_same_prices_is_the_same_snapshot(home: Path, quote: Path) -> None:
    plans = [json.loads(call("recommend", *ASKED, "--prices", str(quote)).out) for _ in range(2)]
    assert plans[0]["plan_id"] == plans[1]["plan_id"]
    assert len(list((home / "quotes").glob("*.parquet"))) == 1


def test_drift_holds_at_the_price_quoted_and_rings_without_it(plan: Path, quote: Path) -> None:
    assert call("drift", str(plan), "--prices", str(quote), ADVISOR_MAX_AGE_ON_DEMAND_DAYS="999").code == 0
    assert call("watch", str(plan), "--prices", str(quote), ADVISOR_MAX_AGE_ON_DEMAND_DAYS="999").code == 0
    said = call("drift", str(plan), "--format", "json", ADVISOR_MAX_AGE_ON_DEMAND_DAYS="999")
    move = json.loads(said.out)["prices"][0]
    assert (move["before"]["usd_per_hour"], move["now"]["usd_per_hour"]) == ("2.1", "3.36312")


def test_a_discount_is_taken_off_every_list_price_it_names(tmp_path: Path) -> None:
    sheet = tmp_path / "contract.yaml"
    sheet.write_text(DISCOUNT)
    rows = {}
    for name, more in (("list", ()), ("own", ("--prices", str(sheet)))):
        said = call("offers", "--region", "us-east-1", "--market", "on_demand", "--format", "json", *more)
        rows[name] = {one["offer_id"]: Decimal(str(one["usd_per_hour"])) for one in json.loads(said.out)}
    assert len(rows["own"]) > 20
    for offer_id, usd in rows["own"].items():
        rate = Decimal("0.75") if offer_id.startswith("aws:") else 1
        assert usd == pytest.approx(rows["list"][offer_id] * rate, abs=Decimal("0.000001"))


def test_a_price_per_gpu_taken_for_an_instances_is_held_and_told(tmp_path: Path) -> None:
    sheet = tmp_path / "slip.csv"
    sheet.write_text(f"{HEAD}aws,p5.48xlarge,us-east-1,on_demand,6.88\n")
    place = ("--region", "us-east-1", "--accelerator", "H100")
    said = call("offers", *place, "--format", "json", "--prices", str(sheet))
    assert "held back" in said.err
    rows = {one["offer_id"]: one["usd_per_hour"] for one in json.loads(said.out)}
    assert Decimal(str(rows["aws:us-east-1:p5.48xlarge:on_demand"])) == Decimal("55.04")


@pytest.mark.parametrize("command", ["recommend", "offers", "frontier"])
@pytest.mark.parametrize(
    ("text", "words"),
    [("a,b\n1,2\n", "sheet"), (QUOTE.replace("2.10", "-1"), "-1"), (None, "sheet")],
    ids=["no sheet", "a negative price", "no file"],
)
def test_a_sheet_that_is_none_is_refused_in_one_line(
    tmp_path: Path, command: str, text: str | None, words: str
) -> None:
    sheet = tmp_path / "sheet.csv"
    if text is not None:
        sheet.write_text(text)
    said = call(command, *(("--over", "tpot") if command == "frontier" else ()), "--prices", str(sheet))
    assert (said.code, said.out) == (2, "")
    assert words in said.err
    assert len(said.err.splitlines()) == 1


def test_a_plan_has_its_own_prices(plan: Path, quote: Path) -> None:
    said = call("frontier", str(plan), "--over", "tpot", "--prices", str(quote))
    assert (said.code, len(said.err.splitlines())) == (2, 1)
    assert "not both" in said.err
