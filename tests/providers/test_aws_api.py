"""The AWS adapter over genuine boto3: what moto knows, what fails, what is asked, and what never leaks."""

from __future__ import annotations

import logging
from decimal import Decimal

import pytest
from aws_builders import a_spot_row, a_type
from conftest import NOW, TOKEN, aws_environ
from replay_cloud import QuietHandler, replaying, serving

from advisor.domain import Availability, Market
from advisor.errors import (
    AccessDenied,
    InputFileError,
    PayloadError,
    ProviderError,
    Unavailable,
    UsageError,
)
from advisor.provider import Answer, Aspect, Ledger, Scope
from providers._settings import http_settings
from providers.aws import Aws
from providers.aws.api import RegionDenied, RegionUnreachable, SignedApi, _chunks, translated
from providers.aws.hardware import parse_instance_types, parse_offerings, parse_regions
from providers.aws.permissions import ACTIONS, PERMISSIONS
from providers.aws.settings import credentials, endpoints, wanted_blocks


@pytest.fixture
def play(environ_for):
    def run(scenario, scope=None, **environ):
        with replaying("aws", scenario, NOW.timestamp()) as (url, replay):
            adapter = Aws.from_env(environ_for("aws", url, **environ))
            return adapter.collect(scope or Scope(), NOW), replay

    return run


@pytest.fixture(scope="module")
def typical(tmp_path_factory):
    """The typical scenario, whole: the result, and what was asked."""
    with replaying("aws", "typical", NOW.timestamp()) as (url, replay):
        cache = tmp_path_factory.mktemp("typical") / "http.sqlite"
        adapter = Aws.from_env({**aws_environ(url), "ADVISOR_HTTP_CACHE": str(cache)})
        return adapter.collect(Scope(), NOW), replay


def asked(replay, action):
    return [one["body"] for one in replay.requests if (one["body"] or {}).get("Action") == action]


# --- moto: its recorded hardware, offerings and regions


@pytest.fixture(scope="module")
def moto():
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def moto_api(moto, tmp_path):
    environ = {**aws_environ(moto), "ADVISOR_HTTP_CACHE": str(tmp_path / "c"), "ADVISOR_HTTP_TIMEOUT_S": "60"}
    return SignedApi(credentials(environ), endpoints(environ), http_settings(environ))


def test_motos_recorded_hardware_is_read_through_the_genuine_sdk(moto_api):
    ledger = Ledger("aws")
    answer = moto_api.ask("describe_instance_types", "us-east-1")
    shapes, told = parse_instance_types(answer.payload, ledger)
    assert len(told) > 1300
    assert len(shapes) >= 75
    known = {
        "p5.48xlarge": ("h100-sxm-80gb", Decimal(8)),
        "p4d.24xlarge": ("a100-sxm-40gb", Decimal(8)),
        "p4de.24xlarge": ("a100-sxm-80gb", Decimal(8)),
        "g6f.large": ("l4-24gb", Decimal("0.125")),
        "p6-b300.48xlarge": ("b300-sxm-288gb", Decimal(8)),
        "trn2.48xlarge": ("trainium2-96gb", Decimal(16)),
        "inf2.48xlarge": ("inferentia2-32gb", Decimal(12)),
    }
    assert {name: (shapes[name].accelerator, shapes[name].accelerators) for name in known} == known
    unknown = {one.subject for one in ledger.reading().rejections}
    assert all(one.reason == "unknown_accelerator" for one in ledger.reading().rejections)
    assert "dl2q.24xlarge" in unknown


def test_motos_recorded_offerings_and_regions_are_read_through_the_genuine_sdk(moto_api):
    ledger = Ledger("aws")
    offerings = moto_api.ask("describe_instance_type_offerings", "us-west-2")
    zones = parse_offerings(offerings.payload, ledger, "us-west-2")
    assert zones["p5e.48xlarge"] == {"usw2-az3"}
    enabled = parse_regions(moto_api.ask("describe_regions", "us-east-1").payload, ledger)
    assert {"us-east-1", "eu-west-1"} <= set(enabled)
    assert {one.reason for one in ledger.reading().rejections} == {"region_not_enabled"}


# --- what is asked


def test_the_price_question_carries_every_filter_and_goes_to_us_east_1(typical):
    _, replay = typical
    questions = [
        one["body"] for one in replay.requests if "GetProducts" in str((one["body"] or {}).get("@target"))
    ]
    assert {question["@region"] for question in questions} == {"us-east-1"}
    by_region = {one["Filters"][6]["Value"]: one["Filters"] for one in questions}
    filters = {one["Field"]: (one["Type"], one["Value"]) for one in by_region["us-west-2"]}
    types = filters.pop("instanceType")
    assert types[0] == "ANY_OF"
    assert "p5.48xlarge" in types[1].split(",")
    assert filters == {
        "operatingSystem": ("TERM_MATCH", "Linux"),
        "tenancy": ("TERM_MATCH", "Shared"),
        "capacitystatus": ("TERM_MATCH", "Used"),
        "preInstalledSw": ("TERM_MATCH", "NA"),
        "licenseModel": ("TERM_MATCH", "No License required"),
        "marketoption": ("TERM_MATCH", "OnDemand"),
        "regionCode": ("TERM_MATCH", "us-west-2"),
    }


def test_the_spot_question_starts_now_and_asks_for_linux_only(typical):
    _, replay = typical
    questions = asked(replay, "DescribeSpotPriceHistory")
    (question,) = [one for one in questions if one["@region"] == "us-west-2"]
    assert question["StartTime"].startswith("2026-11-22T12:00:00")
    assert question["ProductDescription.1"] == "Linux/UNIX"
    assert {question[key] for key in question if key.startswith("InstanceType.")} >= {
        "p5.48xlarge",
        "inf2.xlarge",
    }


def test_offerings_are_asked_by_zone_id_and_hardware_once(typical):
    _, replay = typical
    assert {one["LocationType"] for one in asked(replay, "DescribeInstanceTypeOfferings")} == {
        "availability-zone-id"
    }
    assert len(asked(replay, "DescribeInstanceTypes")) == 1


def test_a_region_out_of_scope_and_a_market_out_of_scope_are_not_asked(play):
    result, replay = play("typical", Scope(regions=("us-west-2",), markets=(Market.ON_DEMAND,)))
    assert asked(replay, "DescribeSpotPriceHistory") == []
    assert {one.offer.region for one in result.offers} == {"us-west-2"}
    assert result.rejections
    assert {one.region for one in result.rejections} <= {"us-west-2", None}


def test_a_filters_value_stays_within_what_the_api_takes():
    names = tuple(f"p{number}en.48xlarge" for number in range(300))
    chunks = _chunks(names)
    assert [name for chunk in chunks for name in chunk] == list(names)
    assert all(len(",".join(chunk)) <= 1024 for chunk in chunks)


# --- quotas and failures by region


def test_quotas_carry_what_is_used(typical):
    result, _ = typical
    rows = {(one.region, one.pool): (one.limit, one.used) for one in result.quotas}
    assert rows["us-east-1", "L-417A185B"] == (Decimal(384), Decimal(192))
    assert rows["us-east-1", "L-DB2E81BA"] == (Decimal(64), Decimal(0))
    assert rows["us-east-1", "L-C4BD4855"] == (Decimal(0), Decimal(0))


def test_a_region_that_is_off_is_told_apart_from_one_that_failed(play):
    result, _ = play("region-not-enabled")
    told = {(one.region, one.reason, one.subject) for one in result.rejections}
    assert ("ap-east-1", "region_not_enabled", "ap-east-1") in told
    assert ("me-south-1", "region_not_enabled", "describe_instance_type_offerings") in told
    assert ("us-east-1", "fetch_failed", "list_service_quotas") in told
    assert "me-south-1" not in {one.offer.region for one in result.offers}


def fake(denied=(), unreachable=()):
    """A cloud of two regions in which some questions fail."""
    calls = []

    def fetch(operation, **args):
        calls.append((operation, args.get("at_region")))
        if operation in denied:
            raise RegionDenied(f"aws: {operation}: access denied (HTTP 403), UnauthorizedOperation")
        if args.get("at_region") in unreachable and operation != "describe_regions":
            raise RegionUnreachable(f"aws: {operation}: no connection to its endpoint")
        regions = [{"RegionName": name, "OptInStatus": "opted-in"} for name in ("r-east-1", "r-west-1")]
        lists = {
            "describe_regions": ("Regions", regions),
            "describe_instance_types": ("InstanceTypes", []),
            "describe_instance_type_offerings": ("InstanceTypeOfferings", []),
            "get_products": ("PriceList", []),
            "describe_spot_price_history": ("SpotPriceHistory", []),
            "list_service_quotas": ("Quotas", []),
            "list_aws_default_service_quotas": ("Quotas", []),
        }
        if operation == "spot_advisor":
            return Answer({"ranges": [], "spot_advisor": {}})
        if operation == "bulk_index":
            return Answer({"regions": {}})
        key, value = lists[operation]
        return Answer({key: value})

    fetch.calls = calls
    return fetch


@pytest.mark.parametrize("content", [b'{"FormatVersion":"aws_v1","PriceList":["{', b"", b"[]", b"{}"])
def test_json_that_breaks_off_is_an_error_never_an_empty_price_list(tmp_path, content):
    class Handler(QuietHandler):
        def do_POST(self) -> None:  # noqa: N802
            self.body()
            self.send(200, content)

    with serving(Handler) as url:
        environ = {**aws_environ(url), "ADVISOR_HTTP_CACHE": str(tmp_path / "c"), "ADVISOR_HTTP_RETRIES": "0"}
        api = SignedApi(credentials(environ), endpoints(environ), http_settings(environ))
        with pytest.raises(PayloadError, match="not whole JSON"):
            api.ask("get_products", "us-east-1", region="us-east-1", instance_types=("p5.48xlarge",))


def test_a_permission_missing_everywhere_is_unseen_not_a_row_of_closed_regions():
    fetch = fake(denied=("describe_spot_price_history", "list_service_quotas"))
    result = Aws(fetch).collect(Scope(), NOW)
    unseen = {(one.what, one.market) for one in result.unseen}
    assert {(Aspect.PRICE, Market.SPOT), (Aspect.QUOTA, None)} <= unseen
    assert {one.reason for one in result.rejections} == {"fetch_failed"}
    assert len(result.rejections) == 2


def test_a_region_without_a_connection_is_left_after_one_time_out():
    fetch = fake(unreachable=("r-west-1",))
    result = Aws(fetch).collect(Scope(), NOW)
    of_region = [operation for operation, region in fetch.calls if region == "r-west-1"]
    assert of_region == ["describe_instance_type_offerings", "get_products"]  # prices are not asked there
    assert ("r-west-1", "region_not_enabled") in {(one.region, one.reason) for one in result.rejections}
    assert result.regions_done == ("r-east-1",)


def test_where_every_question_fails_the_error_is_raised():
    everything = (
        "describe_instance_types",
        "describe_instance_type_offerings",
        "get_products",
        "describe_spot_price_history",
        "list_service_quotas",
        "list_aws_default_service_quotas",
    )
    with pytest.raises(AccessDenied, match="UnauthorizedOperation"):
        Aws(fake(denied=everything)).collect(Scope(), NOW)


# --- what is asked only on request


def test_placement_scores_and_capacity_blocks_are_asked_only_where_wished():
    zones = ["r-az1", "r-az2"]
    names = ["g6.xlarge", "g6.2xlarge", "g6.4xlarge", "p5.48xlarge"]
    types = [a_type(name, "L4", 1, 22888) for name in names[:3]] + [a_type()]
    lists = {
        "describe_regions": ("Regions", [{"RegionName": "r-east-1", "OptInStatus": "opted-in"}]),
        "describe_instance_types": ("InstanceTypes", types),
        "describe_instance_type_offerings": (
            "InstanceTypeOfferings",
            [{"InstanceType": name, "Location": zone} for name in names for zone in zones],
        ),
        "get_products": ("PriceList", []),
        "describe_spot_price_history": (
            "SpotPriceHistory",
            [
                a_spot_row(InstanceType="g6.xlarge", AvailabilityZoneId=zone, SpotPrice="0.3")
                for zone in zones
            ],
        ),
        "get_spot_placement_scores": (
            "SpotPlacementScores",
            [{"AvailabilityZoneId": "r-az1", "Score": 9}, {"AvailabilityZoneId": "r-az2", "Score": 1}],
        ),
        "describe_capacity_block_offerings": ("CapacityBlockOfferings", []),
        "list_service_quotas": ("Quotas", []),
        "list_aws_default_service_quotas": ("Quotas", []),
    }
    calls = []

    def fetch(operation, **args):
        calls.append((operation, args.get("instance_types")))
        if operation == "spot_advisor":
            return Answer({"ranges": [], "spot_advisor": {}})
        if operation == "bulk_index":
            return Answer({"regions": {}})
        key, value = lists[operation]
        return Answer({key: value})

    Aws(fetch).collect(Scope(), NOW)
    assert not {"get_spot_placement_scores", "describe_capacity_block_offerings"} & {one for one, _ in calls}
    wish = wanted_blocks({"ADVISOR_AWS_CAPACITY_BLOCKS": "p5.48xlarge:1:24"})
    result = Aws(fetch, placement_scores=True, capacity_blocks=wish).collect(Scope(), NOW)
    scored = [types for operation, types in calls if operation == "get_spot_placement_scores"]
    assert scored == [
        ("g6.2xlarge", "g6.4xlarge", "g6.xlarge")
    ]  # p5 alone would be scored low whatever it is
    assert "describe_capacity_block_offerings" in {one for one, _ in calls}
    assert {one.offer.zone: one.offer.availability for one in result.offers} == {
        "r-az1": Availability.AVAILABLE,
        "r-az2": Availability.CONSTRAINED,
    }


# --- settings


def test_wishes_for_capacity_blocks_are_read_or_refused():
    (wish,) = wanted_blocks({"ADVISOR_AWS_CAPACITY_BLOCKS": "p5.48xlarge:1:24"})
    assert (wish.instance_type, wish.instances, wish.hours) == ("p5.48xlarge", 1, 24)
    assert wanted_blocks({}) == ()
    for bad in ("p5.48xlarge", "p5.48xlarge:0:24", "p5.48xlarge:1:x", ":1:1"):
        with pytest.raises(InputFileError, match="ADVISOR_AWS_CAPACITY_BLOCKS"):
            wanted_blocks({"ADVISOR_AWS_CAPACITY_BLOCKS": bad})


def test_an_endpoint_is_https_or_on_this_machine():
    assert endpoints({"AWS_ENDPOINT_URL_SERVICE_QUOTAS": "http://127.0.0.1:5000"}) == {
        "service-quotas": "http://127.0.0.1:5000"
    }
    with pytest.raises(UsageError, match="AWS_ENDPOINT_URL"):
        endpoints({"AWS_ENDPOINT_URL": "http://10.0.0.1:5000"})


# --- secrets


def test_no_key_token_account_or_arn_is_in_an_error_a_log_or_a_file(play, caplog, tmp_path, capsys):
    caplog.set_level(logging.DEBUG)
    result, _ = play("typical")
    texts = [repr(result)]
    for scenario in ("access-denied", "truncated-json"):
        with pytest.raises(ProviderError, match="aws:") as caught:
            play(scenario)
        texts += [repr(caught.value), str(caught.value), repr(caught.value.__cause__)]
    texts += ["".join(capsys.readouterr()), caplog.text]
    content = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    assert b"spot-advisor-data" in content  # the cache was written
    for secret in (TOKEN, "AKIAMADEUP7EXAMPLE00", "123456789012", "000000000000", "arn:aws", "Signature="):
        assert secret.encode() not in content
        assert all(secret not in text for text in texts)


def test_an_api_object_never_shows_its_keys():
    environ = aws_environ("http://127.0.0.1:1")
    api = SignedApi(credentials(environ), endpoints(environ), http_settings({}))
    assert TOKEN not in repr(api) + repr(credentials(environ))
    assert "AKIA" not in repr(api)


def test_the_vendors_own_words_are_never_repeated():
    from botocore.exceptions import ClientError

    said = "User: arn:aws:iam::123456789012:user/ada is not authorized"
    refusal = {
        "Error": {"Code": "AccessDenied", "Message": said},
        "ResponseMetadata": {"HTTPStatusCode": 400},
    }
    error = translated("aws: get_products", "get_products", ClientError(refusal, "GetProducts"), 30)
    assert isinstance(error, AccessDenied)
    assert str(error) == (
        "aws: get_products: access denied (HTTP 403), AccessDenied; needs pricing:GetProducts:"
        " `advisor refresh --explain-permissions`"
    )
    odd = {"Error": {"Code": said}, "ResponseMetadata": {"HTTPStatusCode": 503}}
    error = translated("aws: x", "get_products", ClientError(odd, "GetProducts"), 30)
    assert isinstance(error, Unavailable)
    assert "123456789012" not in str(error)


def test_every_question_has_its_permission_in_the_policy():
    from providers.aws import api

    assert set(ACTIONS) == set(api._LISTS) == set(api._REQUESTS)
    assert all(action in PERMISSIONS for action in ACTIONS.values())
    reading = ("Describe", "Get", "List")
    assert all(action.partition(":")[2].startswith(reading) for action in ACTIONS.values())
