"""AWS spot prices, interruption bands, capacity blocks and quotas."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from aws_builders import a_spot_row, a_type, offers_of, read_spot, reasons
from conftest import NOW
from replay_cloud import payload_of

from advisor.domain import Availability, QuotaUnit
from advisor.errors import PayloadError
from advisor.provider import Ledger, collected
from providers.aws.quota import limits, parse_quotas, parse_usage
from providers.aws.settings import BlockWish
from providers.aws.spot import describe_blocks, parse_scores, parse_spot_advisor

pytestmark = pytest.mark.fast

OFFERED = {"p5.48xlarge": frozenset({"use1-az1", "use1-az2"})}


def the_offer(reading):
    (priced,) = reading.offers
    return priced.offer


def test_every_zone_keeps_its_own_price():  # W12
    reading = read_spot(a_spot_row(), a_spot_row(AvailabilityZoneId="use1-az2", SpotPrice="31.5"))
    assert {one.zone: one.usd_per_hour for one in offers_of(reading).values()} == {
        "use1-az1": Decimal("28.6704"),
        "use1-az2": Decimal("31.5"),
    }


def test_the_newest_of_a_zones_changes_is_the_price_now():
    older = a_spot_row(SpotPrice="99.9", Timestamp="2026-11-21T23:59:59+00:00")
    for rows in ([older, a_spot_row()], [a_spot_row(), older]):
        assert the_offer(read_spot(*rows)).usd_per_hour == Decimal("28.6704")


def test_two_prices_at_one_instant_are_a_conflict():  # W8
    result = collected("aws", [read_spot(a_spot_row(), a_spot_row(SpotPrice="1.0"))], now=NOW)
    assert result.offers == ()
    assert [one.reason for one in result.rejections] == ["price_conflict"]


def test_a_price_belongs_to_the_type_its_row_names():  # W10
    reading = read_spot(
        a_spot_row(),
        a_spot_row(InstanceType="p5.4xlarge", SpotPrice="3.6"),
        types=[a_type(), a_type("p5.4xlarge", count=1)],
    )
    by_type = {one.instance_type: one for one in offers_of(reading).values()}
    assert (by_type["p5.4xlarge"].usd_per_hour, by_type["p5.4xlarge"].accelerators) == (Decimal("3.6"), 1)
    assert (by_type["p5.48xlarge"].usd_per_hour, by_type["p5.48xlarge"].accelerators) == (
        Decimal("28.6704"),
        8,
    )


def test_windows_spot_is_another_product():
    assert read_spot(a_spot_row(ProductDescription="Windows")).offers == ()


def test_a_zone_name_is_never_taken_for_a_zone_id():
    reading = read_spot(a_spot_row(AvailabilityZoneId=None))
    assert reading.offers == ()
    assert reasons(reading) == ["region_unknown"]


@pytest.mark.parametrize("stated", ["0.000000", "-1", "NaN", "", None, 28.67, "1e2"])
def test_a_spot_price_that_is_no_positive_number_is_no_offer(stated):  # W2
    reading = read_spot(a_spot_row(SpotPrice=stated))
    assert reading.offers == ()
    assert reasons(reading) == ["price_missing"]


def test_spot_at_the_list_price_is_marked_as_its_cap():
    offer = the_offer(
        read_spot(a_spot_row(SpotPrice="55.040000"), list_prices={"p5.48xlarge": Decimal("55.04")})
    )
    assert offer.flags == ("spot_at_on_demand_cap",)


def test_a_zone_that_does_not_offer_the_type_is_not_available_whatever_its_price():
    offer = the_offer(read_spot(a_spot_row(AvailabilityZoneId="use1-az9"), offered=OFFERED))
    assert (offer.availability, offer.flags) == (Availability.UNAVAILABLE, ("not_offered",))
    assert the_offer(read_spot(a_spot_row(), offered=OFFERED)).availability is Availability.AVAILABLE
    assert the_offer(read_spot(a_spot_row())).availability is Availability.UNKNOWN


def test_a_placement_score_says_how_likely_capacity_is():
    def offer(score):
        return the_offer(read_spot(a_spot_row(), scores={("h100-sxm-80gb", "use1-az1"): score}))

    assert offer(9).availability is Availability.AVAILABLE
    assert offer(1).availability is Availability.CONSTRAINED
    assert "score 9 of 10" in offer(9).availability_basis


def test_a_local_zone_is_marked():
    assert "local_zone" in the_offer(read_spot(a_spot_row(AvailabilityZoneId="use1-atl1-az1"))).flags


def test_a_spot_price_of_a_type_nobody_describes_is_a_rejection():
    assert reasons(read_spot(a_spot_row(InstanceType="p99.large"))) == ["unknown_accelerator"]


def test_the_spot_advisors_band_is_attached_by_region_and_type():
    bands = parse_spot_advisor(payload_of("aws", "typical", "spot-advisor.json"), Ledger("aws"))
    assert bands["us-east-1"]["p5.48xlarge"] == ">20%"
    assert bands["us-west-2"]["inf2.xlarge"] == "10-15%"
    assert the_offer(read_spot(a_spot_row(), bands=bands["us-east-1"])).interruption == ">20%"
    assert the_offer(read_spot(a_spot_row())).interruption is None


@pytest.mark.parametrize("entry", [None, {}, {"r": 99}, {"r": True}, {"r": "0"}, {"r": None}, []])
def test_a_band_that_is_not_stated_is_unknown(entry):
    payload = {
        "ranges": [{"index": 0, "label": "<5%"}],
        "spot_advisor": {"r1": {"Linux": {"p5.48xlarge": entry}}},
    }
    assert parse_spot_advisor(payload, Ledger("aws")) == {"r1": {}}


@pytest.mark.parametrize("payload", [None, {}, {"ranges": {}}, {"ranges": [], "spot_advisor": []}])
def test_a_spot_advisor_file_of_another_shape_is_a_payload_error(payload):
    with pytest.raises(PayloadError, match="Spot Advisor"):
        parse_spot_advisor(payload, Ledger("aws"))


def a_block(**changed):
    start = datetime(2026, 12, 1, 11, 30, tzinfo=UTC).isoformat()
    block = {
        "InstanceCount": 2,
        "CapacityBlockDurationHours": 24,
        "UpfrontFee": "1510.08",
        "CurrencyCode": "USD",
    }
    return {**block, "StartDate": start, **changed}


def blocks(*items):
    ledger = Ledger("aws")
    wish = BlockWish("p5.48xlarge", 2, 24)
    return describe_blocks(
        {"CapacityBlockOfferings": list(items)}, ledger, "us-east-1", wish
    ), ledger.reading()


def test_a_capacity_block_is_told_with_its_fee_spread_over_its_hours():
    sentences, _ = blocks(a_block())
    assert sentences == [
        (
            "us-east-1: a capacity block of 2 x p5.48xlarge for 24 h from 2026-12-01 11:30Z"
            " costs $1510.08 ahead, $31.4600 an hour each"  # 1510.08 / 48
        )
    ]


@pytest.mark.parametrize(
    "changed", [{"UpfrontFee": "0"}, {"CurrencyCode": "EUR"}, {"InstanceCount": 0}, {"StartDate": None}]
)
def test_a_capacity_block_that_cannot_be_priced_is_a_rejection(changed):
    sentences, reading = blocks(a_block(**changed))
    assert sentences == []
    assert reasons(reading) == ["malformed_item"]


def test_placement_scores_are_read_by_zone_and_nonsense_is_left_out():
    items = [
        {"AvailabilityZoneId": "use1-az1", "Score": 7},
        {"AvailabilityZoneId": "use1-az2", "Score": 11},
        None,
    ]
    assert parse_scores({"SpotPlacementScores": items}, "l4-24gb") == {("l4-24gb", "use1-az1"): 7}


# --- quotas


def a_quota(code="L-417A185B", name="Running On-Demand P instances", value=Decimal(384), cls="P/OnDemand"):
    metric = {
        "MetricNamespace": "AWS/Usage",
        "MetricName": "ResourceCount",
        "MetricDimensions": {"Class": cls, "Resource": "vCPU", "Service": "EC2", "Type": "Resource"},
    }
    return {"QuotaCode": code, "QuotaName": name, "Value": value, "UsageMetric": metric}


def pools_of(*answers):
    ledger = Ledger("aws")
    return parse_quotas([{"Quotas": list(items)} for items in answers], ledger, "us-east-1"), ledger.reading()


def test_an_applied_quota_goes_before_the_default_which_fills_what_was_never_changed():
    pools, _ = pools_of(
        [a_quota(value=Decimal(384))],
        [a_quota(value=Decimal(0)), a_quota("L-C4BD4855", "All P5 Spot Instance Requests", Decimal(0))],
    )
    used = parse_usage({"MetricDataResults": [{"Id": "q417A185B", "Values": [192, 96]}]}, Ledger("aws"), "r")
    rows = [(one.pool, one.unit, one.limit, one.used) for one in limits(pools, used, "us-east-1")]
    assert rows == [
        ("L-417A185B", QuotaUnit.VCPU, Decimal(384), Decimal(192)),
        ("L-C4BD4855", QuotaUnit.VCPU, Decimal(0), Decimal(0)),
    ]


def test_a_new_familys_quota_is_found_by_its_name():
    pools, _ = pools_of([a_quota("L-0123ABCD", "All P6 Spot Instance Requests", Decimal(192), "P6/Spot")])
    assert [pool.code for pool in pools] == ["L-0123ABCD"]


def test_quotas_of_other_things_are_left_out():
    names = ["EC2-VPC Elastic IPs", "Running Dedicated p5 Hosts", "Transit gateways per account"]
    pools, reading = pools_of([a_quota("L-0263D0A3", name) for name in names])
    assert (pools, reading.rejections) == ([], ())


@pytest.mark.parametrize("value", [None, Decimal(-1), Decimal("NaN"), "384", True])
def test_a_limit_that_is_no_number_is_a_rejection_never_zero(value):
    pools, reading = pools_of([a_quota(value=value)])
    assert pools == []
    assert reasons(reading) == ["malformed_item"]
