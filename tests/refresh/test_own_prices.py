"""A price sheet reaches the catalog: it prices what vendors list, is judged, and gives way when withdrawn."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from refresh_builders import (
    NOW,
    a_snapshot,
    an_offer,
    failed_region,
    missed_before,
    open_gate,
    saying,
    today,
)
from typer.testing import CliRunner

from advisor.catalog.facts import load_facts
from advisor.catalog.snapshot import read_snapshot
from advisor.catalog.snapshot_writing import write_snapshot
from advisor.catalog.store import open_snapshot
from advisor.cli.app import app
from advisor.domain import Availability, Market, Offer
from advisor.provider import Answer, Scope
from advisor.refresh.refresh import RefreshResult, gate_of, refresh
from providers.sheet import Sheet

NEXT_WEEK = NOW + timedelta(days=7)
HEADER = "provider,instance_type,region,zone,market,usd_per_hour,accelerator,accelerators,memory_gib,source\n"
SMALL = "acme:r1:small:on_demand"


def a_sheet(*rows: str, file: str = "quote.csv", text: str | None = None) -> Sheet:
    text = HEADER + "".join(f"{row}\n" for row in rows) if text is None else text
    return Sheet(lambda operation, **_: Answer({"file": file, "text": text}))


def deal(percent: float) -> Sheet:
    return a_sheet(
        file="deal.yaml",
        text=f"adjustments: [{{provider: acme, market: '*', percent: {percent}, source: EDP}}]",
    )


def refreshed(previous, *clouds, now=NOW, scope=Scope(), gate=open_gate, accept=(), held=()) -> RefreshResult:  # noqa: B008
    named = {cloud.name: cloud for cloud in clouds}
    return refresh(named, scope, a_snapshot(*previous, held=held), now, gate=gate, accept=accept)


def live(result: RefreshResult) -> dict[str, Offer]:
    return {offer.id: offer for offer in result.offers if "superseded" not in offer.flags}


def paid(result: RefreshResult) -> dict[str, str]:
    return {key: str(offer.usd_per_hour) for key, offer in live(result).items()}


def test_a_sheet_that_states_no_accelerator_prices_what_the_vendor_lists():
    result = refreshed(
        [an_offer(), an_offer(region="r2")], a_sheet("acme,small,r1,,on_demand,0.60,,,,deal 7")
    )
    assert paid(result) == {SMALL: "0.6", "acme:r2:small:on_demand": "1.00"}
    own = live(result)[SMALL]
    assert (own.price_basis, own.source, own.collected_at) == ("manual", "deal 7", NOW)
    assert own.evidence in result.evidence
    assert result.counts["sheet"].changed == 1
    assert result.exit_code(strict=True) == 0


def test_stating_a_price_leaves_stock_zone_and_facts_as_the_vendor_stated_them():
    zoned = an_offer(zone="z1", market=Market.SPOT, availability=Availability.CONSTRAINED, interruption="<5%")
    result = refreshed([zoned], a_sheet("acme,small,r1,,spot,0.30,l4-24gb,1,,"))
    (own,) = live(result).values()  # no second, regional row that nobody sells
    assert (own.zone, own.availability, own.interruption) == ("z1", Availability.CONSTRAINED, "<5%")


def test_the_vendors_row_lies_beside_it_and_the_same_snapshot_comes_back_from_its_file(tmp_path):
    result = refreshed([an_offer()], a_sheet("acme,small,r1,,on_demand,0.60,,,,"))
    assert [(str(o.usd_per_hour), o.flags) for o in result.offers] == [
        ("0.6", ()),
        ("1.00", ("overridden", "superseded")),
    ]
    path = write_snapshot(result.offers, tmp_path, NOW, "t", result.evidence)
    assert set(read_snapshot(path).offers) == {replace(o, evidence=o.evidence) for o in result.offers}


def test_it_goes_on_while_the_sheet_is_not_read_and_the_vendors_price_moves_beneath_it():
    first = refreshed([an_offer()], a_sheet("acme,small,r1,,on_demand,0.60,,,,"))
    second = refreshed(first.offers, saying(today(usd_per_hour="1.10", vcpus=12)), now=NEXT_WEEK)
    assert paid(second) == {SMALL: "0.6"}
    assert (live(second)[SMALL].vcpus, live(second)[SMALL].collected_at) == (12, NOW)
    assert second.counts["acme"].changed == 1
    withdrawn = refreshed(second.offers, a_sheet("acme,other,r1,,on_demand,5,l4-24gb,1,,"), now=NEXT_WEEK)
    assert paid(withdrawn) == {SMALL: "1.10", "acme:r1:other:on_demand": "5"}
    assert withdrawn.counts["sheet"].dropped == 1


def test_what_the_vendor_withdraws_is_gone_with_the_price_stated_for_it():
    first = refreshed([an_offer(), an_offer(region="r2")], a_sheet("acme,small,*,,on_demand,0.60,,,,"))
    assert set(paid(first).values()) == {"0.6"}
    missed = missed_before(*first.offers)
    second = refreshed(first.offers, saying(today(region="r2"), regions=["r1", "r2"]), held=missed)
    assert paid(second) == {"acme:r2:small:on_demand": "0.6"}
    shut = refreshed(first.offers, saying(today(region="r2"), rejections=[failed_region("r1")]))
    assert paid(shut) == paid(first)


def test_a_discount_is_taken_off_once_however_often_it_is_read():
    first = refreshed([an_offer()], deal(-12))
    assert paid(first) == {SMALL: "0.88"}
    assert live(first)[SMALL].price_basis == "list, -12% (EDP)"
    again = refreshed(first.offers, deal(-12), now=NEXT_WEEK)
    assert paid(again) == {SMALL: "0.88"}
    both = refreshed(again.offers, saying(today(usd_per_hour="2")), deal(-15), now=NEXT_WEEK)
    assert paid(both) == {SMALL: "1.7"}


def test_a_discount_whose_list_price_moved_unseen_is_not_made_up():
    first = refreshed([an_offer()], deal(-12))
    same = refreshed(first.offers, saying(today()), now=NEXT_WEEK)
    assert (paid(same), same.warnings) == ({SMALL: "0.88"}, ())
    moved = refreshed(first.offers, saying(today(usd_per_hour="2")), now=NEXT_WEEK)
    assert paid(moved) == {SMALL: "2"}
    assert "the price sheet was not read" in moved.warnings[0]


def test_a_discount_the_gate_sees_as_the_list_price_it_is_taken_off():
    first = refreshed([an_offer()], deal(-44), gate=gate_of(load_facts()))
    second = refreshed(first.offers, saying(today()), deal(-44), now=NEXT_WEEK, gate=gate_of(load_facts()))
    assert (paid(second), second.verdict.held) == ({SMALL: "0.56"}, ())


def test_a_row_that_contradicts_what_it_prices_is_told_and_not_paid():
    result = refreshed([an_offer()], a_sheet("acme,small,r1,,on_demand,0.60,l4-24gb,2,,"))
    assert paid(result) == {SMALL: "1.00"}
    assert "line 2, accelerators: '2' is not allowed; acme:r1:small:on_demand has 1" in result.warnings[0]


def test_a_row_that_prices_nothing_is_told():
    result = refreshed([an_offer()], a_sheet("acme,smal,r1,,on_demand,0.60,,,,", "acme,small,r9,,spot,1,,,,"))
    assert [(one.reason, one.detail) for one in result.rejections] == [
        ("not_listed", "line 2: nobody lists it"),
        ("not_listed", "line 3: nobody lists it"),
    ]
    assert result.missing(strict=False) == ("sheet: line 2: nobody lists it (and 1 more)",)
    assert result.exit_code(strict=False) == 6


def test_only_what_was_asked_about_is_priced_anew():
    rows = [an_offer(), an_offer(region="r2")]
    first = refreshed(rows, a_sheet("acme,small,*,,on_demand,0.60,,,,"))
    scope = Scope(regions=("r2",))
    second = refreshed(first.offers, a_sheet("acme,small,*,,on_demand,0.50,,,,"), scope=scope, now=NEXT_WEEK)
    assert paid(second) == {SMALL: "0.6", "acme:r2:small:on_demand": "0.5"}


# --- the gate judges sheets too

EIGHT = (an_offer(instance_type="big", accelerators=8, usd_per_hour="8.00"),)
BIG = "acme:r1:big:on_demand"


def judged(price: str, previous=EIGHT, **more) -> RefreshResult:
    sheet = a_sheet(f"acme,big,r1,,on_demand,{price},,,,")
    return refreshed(previous, sheet, gate=gate_of(load_facts()), **more)


@pytest.mark.parametrize(
    ("price", "held"), [("1.00", True), ("1.019", True), ("1.03", False), ("4.5", False)]
)
def test_a_list_price_divided_by_its_gpus_is_held(price: str, held: bool):
    result = judged(price)
    assert [finding.detector for finding in result.verdict.held] == ["W3"] * held
    assert Decimal(paid(result)[BIG]) == Decimal("8.00" if held else price)
    assert result.exit_code(strict=False) == (6 if held else 0)


def test_once_confirmed_it_is_not_asked_about_again_until_it_changes():
    confirm = judged("1.00").verdict.held[0].confirm_id
    accepted = judged("1.00", accept=(confirm,))
    assert paid(accepted) == {BIG: "1"}
    assert judged("1.00", accepted.offers, now=NEXT_WEEK).verdict.held == ()
    fine = judged("7.00")
    slip = judged("1.00", fine.offers, now=NEXT_WEEK)
    assert (paid(slip), len(slip.verdict.held)) == ({BIG: "7"}, 1)  # what was agreed before stands


# --- through the command line


COLUMNS = "provider,instance_type,region,market,usd_per_hour"
QUOTE = f"{COLUMNS}\naws,g7e.2xlarge,us-east-1,on_demand,2.10\n"
CONTRACT = (
    f"{COLUMNS},accelerator,accelerators,vcpus,memory_gib,source\n"
    "aws,g6e.xlarge,us-east-1,on_demand,1.20,l40s-48gb,1,4,32,our contract\n"
)


@pytest.mark.parametrize(("text", "each", "instances"), [(QUOTE, 2.10, 2), (CONTRACT, 1.20, 4)])
def test_the_price_agreed_upon_is_published_and_paid(tmp_path, monkeypatch, text, each, instances):
    (tmp_path / "quote.csv").write_text(text)
    monkeypatch.setenv("ADVISOR_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ADVISOR_SHEET", str(tmp_path / "quote.csv"))
    assert CliRunner().invoke(app, ["refresh", "--provider", "sheet"]).exit_code == 0
    assert len(open_snapshot().offers) == 4693
    asked = ["recommend", "--region", "aws:us-east-1", "--market", "on_demand", "--format", "json"]
    asked += ["--slo-stat", "mean"]
    plan = CliRunner().invoke(app, [*asked, "-o", str(tmp_path / "plan.json")])
    assert plan.exit_code == 0, plan.output
    (bought,) = json.loads((tmp_path / "plan.json").read_text())["purchase"]
    assert (float(bought["usd_per_hour_each"]), bought["instances"]) == (each, instances)
    assert CliRunner().invoke(app, ["verify", str(tmp_path / "plan.json")]).exit_code == 0
