"""A user's own prices: what a sheet may say, what is refused, and what the prices come to, by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from conftest import NOW
from hypothesis import given, settings
from hypothesis import strategies as st

from advisor.catalog.adjust import OwnPrices
from advisor.domain import Availability, Market, Offer
from advisor.errors import InputFileError, MissingCredentials
from advisor.provider import Aspect, Scope
from advisor.sheet.read import parse_sheet, sheet_text
from providers.sheet import Sheet

HEADER = (
    "provider,instance_type,region,zone,market,usd_per_hour,usd_per_accelerator_hour,accelerator,accelerators"
)
QUOTE = f"""{HEADER},vcpus,memory_gib,valid_from,valid_until,source
# agreed on 2 November
azure,Standard_ND96isr_H100_v5,eastus,,on_demand,71.25,,h100-sxm-80gb,8,96,1900,2026-11-01,2027-10-31,MCA 4711
aws,p5.48xlarge,*,,on_demand,,4.10,,,,,,,
acme,h100x8,eu-1,eu-1a,spot,,2.125,h100-sxm-80gb,8,,,,,"Acme, quote 7"
"""


def an_offer(**changed):
    offer = Offer(
        provider="azure",
        region="eastus",
        zone=None,
        instance_type="Standard_ND96isr_H100_v5",
        market=Market.ON_DEMAND,
        usd_per_hour=Decimal("98.32"),
        accelerator="h100-sxm-80gb",
        accelerators=Decimal(8),
        vcpus=96,
        memory_gib=1900.0,
        availability=Availability.AVAILABLE,
        availability_basis="somebody",
        price_basis="list",
        collected_at=NOW.replace(day=1),
        source="prices.azure.com",
        licence="x",
        interruption=None,
    )
    return replace(offer, **changed)


def priced_by(offers, sheet, now):
    return tuple(map(OwnPrices(sheet, now).paid, offers))


def a_csv(**cells):
    row = {"provider": "azure", "instance_type": "X1", "region": "eastus", "market": "on_demand"}
    row = {**row, "usd_per_hour": "10", **cells}
    return ",".join(row) + "\n" + ",".join(row.values()) + "\n"


def collect(text, file="quote.csv", scope=Scope(), now=NOW):  # noqa: B008
    from advisor.provider import Answer

    return Sheet(lambda operation, **_: Answer({"file": file, "text": text})).collect(scope, now)


# --- the adapter


def test_rows_that_stand_on_their_own_are_offers_the_others_are_told():
    result = collect(QUOTE)
    found = {priced.offer.id: priced.offer for priced in result.offers}
    assert {key: str(offer.usd_per_hour) for key, offer in found.items()} == {
        "azure:eastus:Standard_ND96isr_H100_v5:on_demand": "71.25",
        "acme:eu-1/eu-1a:h100x8:spot": "17",  # 8 x 2.125, not 2.125 (W3)
    }
    azure = found["azure:eastus:Standard_ND96isr_H100_v5:on_demand"]
    assert (azure.price_basis, azure.source, azure.collected_at) == ("manual", "MCA 4711", NOW)
    assert azure.availability is Availability.UNKNOWN
    acme = found["acme:eu-1/eu-1a:h100x8:spot"]
    assert acme.flags == ("per_gpu_price", "vcpu_memory_unknown")
    assert acme.source == "Acme, quote 7"
    assert result.rejections == ()
    assert result.sheet is not None
    assert len(result.sheet.prices) == 3  # that of every region prices what others list
    assert {unseen.what for unseen in result.unseen} == {Aspect.AVAILABILITY, Aspect.QUOTA}


def test_the_evidence_is_the_row_of_the_sheet():
    result = collect(QUOTE)
    contents = b" ".join(result.evidence.values())
    assert b'"place":"line 3"' in contents
    assert b'"usd_per_hour":"71.25"' in contents
    ten = collect(a_csv(usd_per_hour="10.00", accelerator="l4-24gb", accelerators="1"))
    assert b'"usd_per_hour":"10"' in next(iter(ten.evidence.values()))


def test_a_scope_narrows_the_sheet_as_any_provider():
    assert len(collect(QUOTE, scope=Scope(regions=("azure:*",))).offers) == 1
    assert len(collect(QUOTE, scope=Scope(markets=(Market.SPOT,))).offers) == 1


@pytest.mark.parametrize(
    ("day", "reasons"),
    [
        ((2026, 10, 31), ["not_in_force"]),
        ((2026, 11, 1), []),
        ((2027, 10, 31), []),
        ((2027, 11, 1), ["not_in_force"]),
    ],
)
def test_a_price_holds_from_its_first_to_its_last_day(day, reasons):
    result = collect(QUOTE, now=NOW.replace(year=day[0], month=day[1], day=day[2]))
    told = [one.reason for one in result.rejections if one.subject.startswith("azure")]
    assert told == reasons


def test_the_file_is_named_by_the_environment(tmp_path):
    path = tmp_path / "quote.csv"
    path.write_text(QUOTE)
    assert len(Sheet.from_env({"ADVISOR_SHEET": str(path)}).collect(Scope(), NOW).offers) == 2
    assert len(parse_sheet(path.name, sheet_text(path)).prices) == 3
    with pytest.raises(MissingCredentials, match="ADVISOR_SHEET is not set"):
        Sheet.from_env({})


@pytest.mark.parametrize("content", [b"\xff\xfe", None])
def test_a_file_that_cannot_be_read_is_named(tmp_path, content):
    path = tmp_path / "quote.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputFileError, match=r"quote\.csv"):
        sheet_text(path)


def test_an_accelerator_nobody_knows_is_refused_with_near_names():
    with pytest.raises(InputFileError, match=r"line 2, accelerator: 'h100-sxm' .*did you mean h100-sxm-80gb"):
        collect(a_csv(accelerator="h100-sxm", accelerators="8"))


# --- what is refused, whole


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        ({"usd_per_hour": "0"}, "line 2, usd_per_hour: '0'"),  # W2
        ({"usd_per_hour": "0.0000000000"}, "usd_per_hour"),
        ({"usd_per_hour": "-3"}, "above 0"),
        ({"usd_per_hour": "NaN"}, "plain number"),
        ({"usd_per_hour": "1e3"}, "plain number"),
        ({"usd_per_hour": "€12.50"}, "plain number"),  # W24
        ({"usd_per_hour": "12.50 EUR"}, "plain number"),  # W24
        ({"usd_per_hour": '"1,250"'}, "plain number"),
        ({"usd_per_hour": "12.50", "currency": "EUR"}, "currency: 'EUR' .*USD"),  # W24
        ({"usd_per_hour": ""}, "exactly one of"),
        ({"usd_per_accelerator_hour": "2"}, "exactly one of"),
        ({"market": "reserved"}, "market: 'reserved' .*one of on_demand, spot"),
        ({"market": ""}, "one of on_demand, spot"),
        ({"region": ""}, "region: None .*is required"),
        ({"region": "us-*"}, "region id, or \\* for every region"),
        ({"region": "*", "zone": "a"}, "blank where region is \\*"),
        ({"provider": "=cmd()"}, "provider: '=cmd\\(\\)'"),
        ({"source": "=1+1"}, "source"),
        ({"accelerators": "0"}, "accelerators"),
        ({"vcpus": "7.5"}, "whole number"),
        ({"valid_from": "1.11.2026"}, "YYYY-MM-DD"),
        ({"valid_from": "2026-11-02", "valid_until": "2026-11-01"}, "not before valid_from"),
        ({"eur_per_hour": "5"}, "line 1: 'eur_per_hour'"),  # W24
    ],
)
def test_one_bad_cell_refuses_the_sheet_and_says_where_and_what_is_allowed(cells, said):
    good = "azure,X0,eastus,on_demand,5\n"
    text = a_csv(**cells)
    with pytest.raises(InputFileError, match=said) as caught:
        collect(text + (good if len(cells) == 1 and "usd_per_hour" in cells else ""))
    assert str(caught.value).startswith("quote.csv: line ")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "a header line is needed"),
        ("provider,provider\n", "each column once"),
        (a_csv() + "azure,X2\n", "line 3: '2 cells'"),
        (a_csv() + "azure,X1,eastus,on_demand,11\n", "line 3, instance_type: .*line 2 has one"),  # W8
        ('provider\n"open', "must be CSV"),
    ],
)
def test_a_table_that_is_none_is_refused(text, said):
    with pytest.raises(InputFileError, match=said):
        parse_sheet("quote.csv", text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- 1", "a mapping with the keys"),
        ("prices: 5", "prices: '5' .*a list"),
        ("prices: [5]", r"prices\[0\]"),
        ("price: []", "no such field; known here: prices, adjustments, currency"),
        ("currency: EUR\nprices: []", "currency: 'EUR'"),
        ("prices: [", "must be YAML"),
        ("prices: &a []\nadjustments: *a", "aliases"),
        ("prices: []\nprices: []", "there twice"),
        (
            "prices: [{provider: a, instance_type: b, region: c, market: spot, usd_per_hour: [1]}]",
            r"prices\[0\], usd_per_hour: \['1'\] .*dollars above 0",
        ),
        ("adjustments: [{provider: aws, market: '*'}]", r"adjustments\[0\], percent: .*exactly one of"),
        ("adjustments: [{provider: aws, market: '*', percent: -1, usd_per_hour: 1}]", "exactly one of"),
        ("adjustments: [{provider: aws, market: '*', percent: -100}]", "above -100"),
        ("adjustments: [{provider: aws, market: '*', percent: 12%}]", "above -100"),
        ("adjustments: [{market: '*', percent: 1}]", "provider: None .*is required"),
        ("adjustments: [{provider: aws, percent: 1}]", "market: None"),
        (
            "adjustments: [{provider: aws, market: '*', percent: 1, rate: 2}]",
            "rate: '2' .*no such field; known here: ",
        ),
        ("!!python/object/apply:os.system [true]", "a mapping|must be YAML"),
    ],
)
def test_yaml_that_says_something_else_is_refused(text, said):
    with pytest.raises(InputFileError, match=said):
        parse_sheet("quote.yaml", text)


def test_another_ending_is_refused():
    with pytest.raises(InputFileError, match=r"ends in \.csv, \.yaml or \.yml"):
        parse_sheet("quote.xlsx", "")


def test_two_prices_for_two_times_are_no_repetition():
    rows = (
        "provider,instance_type,region,market,usd_per_hour,valid_from,valid_until\n"
        "azure,X1,eastus,on_demand,10,,2026-12-31\n"
        "azure,X1,eastus,on_demand,11,2027-01-01,\n"
    )
    sheet = parse_sheet("quote.csv", rows)
    assert [price.usd_per_hour for price in sheet.prices if price.in_force(NOW)] == [10]
    assert sheet.prices[1].valid_from == date(2027, 1, 1)


def test_headers_and_cells_as_vendors_write_them_are_read_where_they_can_mean_one_thing_only():
    text = (
        "Provider,Instance Type,Region,Market,USD per hour,Currency\n"
        'AWS,p5.48xlarge,us-east-1,On-Demand,"$1,055.04",USD\n'
    )
    (price,) = parse_sheet("quote.csv", text).prices
    assert (price.id, str(price.usd_per_hour)) == ("aws:us-east-1:p5.48xlarge:on_demand", "1055.04")


def test_a_yaml_number_keeps_every_digit():
    text = "prices: [{provider: a, instance_type: x, region: r, market: spot, usd_per_hour: 0.12345678}]"
    assert str(parse_sheet("q.yml", text).prices[0].usd_per_hour) == "0.12345678"


# --- the user's own price wins (W16)


def test_w16_the_users_price_wins_over_the_list_and_says_so():
    sheet = parse_sheet("quote.csv", QUOTE)
    (offer,) = priced_by([an_offer()], sheet, NOW)
    assert (str(offer.usd_per_hour), offer.price_basis, offer.source) == ("71.25", "manual", "MCA 4711")
    assert offer.collected_at == NOW
    assert offer.availability is Availability.AVAILABLE


def test_a_price_for_every_region_is_per_accelerator_of_the_listed_shape():
    sheet = parse_sheet("quote.csv", QUOTE)
    listed = [
        an_offer(provider="aws", instance_type="p5.48xlarge", region=region) for region in ("us-east-1", "x")
    ]
    assert [str(offer.usd_per_hour) for offer in priced_by(listed, sheet, NOW)] == [
        "32.8",
        "32.8",
    ]  # 8 x 4.10
    assert {offer.source for offer in priced_by(listed, sheet, NOW)} == {"quote.csv"}


def test_other_markets_zones_and_types_keep_the_list_price():
    sheet = parse_sheet("quote.csv", QUOTE)
    others = [
        an_offer(market=Market.SPOT),
        an_offer(region="westus"),
        an_offer(instance_type="Standard_ND96isr_H200_v5"),
        an_offer(provider="acme", instance_type="h100x8", region="eu-1", zone="eu-1b", market=Market.SPOT),
    ]
    assert list(priced_by(others, sheet, NOW)) == others
    expired = NOW.replace(year=2028)
    assert priced_by([an_offer()], sheet, expired) == (an_offer(),)


def test_the_price_of_a_region_wins_over_the_price_of_all():
    rows = "provider,instance_type,region,market,usd_per_hour\nazure,X,*,spot,1\nazure,X,eastus,spot,2\n"
    sheet = parse_sheet("q.csv", rows)
    listed = [
        an_offer(instance_type="X", market=Market.SPOT, region=region) for region in ("eastus", "westus")
    ]
    assert [str(offer.usd_per_hour) for offer in priced_by(listed, sheet, NOW)] == ["2", "1"]


@pytest.mark.parametrize(
    ("listed", "field"),
    [
        ({"accelerators": Decimal(4)}, "accelerators"),
        ({"accelerator": "h200-sxm-141gb"}, "accelerator"),
        ({"vcpus": 48}, "vcpus"),
        ({"memory_gib": 950.0}, "memory_gib"),
    ],
)
def test_a_sheet_that_means_another_shape_is_refused(listed, field):
    with pytest.raises(InputFileError, match=f"line 3, {field}: "):
        priced_by([an_offer(**listed)], parse_sheet("quote.csv", QUOTE), NOW)


# --- discounts and fees, stacked


STACK = """
adjustments:
  - {provider: azure, market: on_demand, percent: -12, source: EDP 2026}
  - {provider: "*", region: east*, market: "*", usd_per_hour: +0.05}
  - {provider: aws, market: "*", percent: -50}
  - {provider: azure, instance_type: "Standard_N[DC]*", market: spot, percent: 10}
"""


def test_adjustments_stack_in_the_written_order_and_are_told():
    sheet = parse_sheet("deal.yaml", STACK)
    listed = [an_offer(usd_per_hour=Decimal(10)), an_offer(usd_per_hour=Decimal(10), market=Market.SPOT)]
    on_demand, spot = priced_by(listed, sheet, NOW)
    assert (str(on_demand.usd_per_hour), on_demand.price_basis) == (
        "8.85",  # 10 x 0.88 + 0.05
        "list, -12% (EDP 2026), +0.05 USD/h",
    )
    assert (str(spot.usd_per_hour), spot.price_basis) == (
        "11.055",  # (10 + 0.05) x 1.10
        "list, +0.05 USD/h, +10%",
    )
    assert on_demand.collected_at == listed[0].collected_at


def test_the_order_matters():
    sheet = parse_sheet("deal.yaml", STACK)
    backwards = replace(sheet, adjustments=sheet.adjustments[::-1])
    (offer,) = priced_by([an_offer(usd_per_hour=Decimal(10))], backwards, NOW)
    assert str(offer.usd_per_hour) == "8.844"  # (10 + 0.05) x 0.88


def test_a_stated_price_is_not_discounted_again():
    text = STACK + (
        "prices:\n  - {provider: azure, instance_type: Standard_ND96isr_H100_v5, region: eastus,"
        " market: on_demand, usd_per_hour: 70}\n"
    )
    sheet = parse_sheet("deal.yaml", text)
    (offer,) = priced_by([an_offer()], sheet, NOW)
    assert offer.usd_per_hour == 70
    assert priced_by([offer], sheet, NOW) == (offer,)


def test_an_adjustment_out_of_its_time_is_not_applied():
    text = "adjustments: [{provider: azure, market: '*', percent: -12, valid_until: 2026-11-21}]"
    sheet = parse_sheet("deal.yaml", text)
    assert priced_by([an_offer()], sheet, NOW) == (an_offer(),)
    assert priced_by([an_offer()], sheet, NOW.replace(day=21))[0].usd_per_hour == Decimal("86.5216")


def test_a_rebate_that_leaves_nothing_to_pay_is_refused():
    text = "adjustments: [{provider: azure, market: '*', usd_per_hour: -98.32}]"
    with pytest.raises(InputFileError, match=r"adjustments\[0\].*would cost \$0 an hour"):
        priced_by([an_offer()], parse_sheet("deal.yaml", text), NOW)


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(st.lists(st.decimals("-99", "100", places=2), max_size=6))
def test_stacked_percentages_are_their_product_in_any_order(percents):
    text = "adjustments:\n" + "".join(
        f"  - {{provider: azure, market: '*', percent: {percent:f}}}\n" for percent in percents
    )
    sheet = parse_sheet("deal.yaml", text if percents else "adjustments: []")
    product = Decimal(1000)
    for percent in percents:
        product *= 1 + percent / 100
    for stack in (sheet, replace(sheet, adjustments=sheet.adjustments[::-1])):
        try:
            (offer,) = priced_by([an_offer(usd_per_hour=Decimal(1000))], stack, NOW)
        except InputFileError:
            assert product < Decimal("0.00000001") * 100**6
            continue
        assert abs(offer.usd_per_hour - product) <= Decimal("0.00000001")


CELLS = st.sampled_from(
    ["", "0", "-1", "1e9", "NaN", "8", "2.5", "*", "spot", "on_demand", "=x", "\x00", "'", "EUR"]
)


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(
    st.dictionaries(
        st.sampled_from([*HEADER.split(","), "vcpus", "valid_from", "x"]), CELLS | st.text(max_size=6)
    )
)
def test_any_row_is_an_offer_a_reason_or_refused(cells):
    text = a_csv(**{key: '"' + value.replace('"', '""') + '"' for key, value in cells.items()})
    try:
        result = collect(text)
    except InputFileError as error:
        assert error.allowed  # noqa: PT017
        return
    assert len(result.offers) + len(result.rejections) <= 1


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(st.text(max_size=80))
def test_any_text_is_a_sheet_or_refused(text):
    for ending in ("csv", "yaml"):
        try:
            parse_sheet(f"q.{ending}", text)
        except InputFileError:
            continue
