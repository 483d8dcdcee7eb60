"""How Azure's prices are collected: regions, pages, failures. With a fake fetch, and over HTTP."""

from __future__ import annotations

from decimal import Decimal
from urllib.parse import parse_qs, urlsplit

import pytest
from conftest import NOW
from replay_cloud import payload_of, replaying

from advisor.domain import Market
from advisor.errors import AccessDenied, MissingCredentials, PayloadError, Unavailable
from advisor.provider import Answer, Aspect, Scope
from providers.azure import MOST_PAGES, Azure, next_link, page_of, retail_filter
from providers.azure.regions import PROBES, REGIONS, WORKERS, ask_each, regions_in

BASE = "https://prices.azure.com"
LINK = f"{BASE}:443/api/retail/prices?api-version=2023-01-01-preview&$skip=1000"


def a_row(region, usd="3.673", size="NC24ads_A100_v4", **changed):
    return {
        "currencyCode": "USD",
        "retailPrice": Decimal(usd),
        "armRegionName": region,
        "meterId": size,
        "meterName": size,
        "skuName": size,
        "productName": "Linux",
        "unitOfMeasure": "1 Hour",
        "type": "Consumption",
        "armSkuName": f"Standard_{size}",
        **changed,
    }


def a_page(*rows, link=None):
    return {"Items": list(rows), "NextPageLink": link}


class Cloud:
    """A fake Azure: per region a list of pages, or an error; no subscription unless one is given."""

    def __init__(self, regions, account=None):
        self.regions = regions
        self.account = account or {}
        self.asked = []

    def __call__(self, operation, **args):
        region = args["region"]
        self.asked.append((operation, region))
        if operation != "retail_prices":
            answer = self.account.get((operation, region), MissingCredentials("azure: none here"))
        else:
            pages = self.regions.get(region, [a_page()])
            answer = pages[0 if args["link"] is None else int(args["link"].rpartition("=")[2])]
        if isinstance(answer, Exception):
            raise answer
        return Answer(answer)

    def collect(self, *regions, **more):
        return Azure(self).collect(Scope(regions=regions, **more), NOW)


def ids(result):
    return [priced.offer.id.removeprefix("azure:") for priced in result.offers]


def test_without_a_scope_every_region_of_the_list_is_asked_once():
    cloud = Cloud({"eastus": [a_page(a_row("eastus"))]})
    result = cloud.collect()
    assert sorted(region for operation, region in cloud.asked if operation == "retail_prices") == list(
        REGIONS
    )
    assert ids(result) == ["eastus:Standard_NC24ads_A100_v4:on_demand"]
    assert result.regions_done == REGIONS


@pytest.mark.parametrize(
    ("patterns", "regions"),
    [
        (("westus*",), ("westus", "westus2", "westus3")),
        (("azure:eastus", "aws:us-east-1"), ("eastus",)),
        (("us-east-1", "us-central1", "aws:*"), ()),
        (("moonbase7",), ("moonbase7",)),  # newer than the list
        (("azure:MoonBase7", "gcp:moonbase8"), ("moonbase7",)),
    ],
)
def test_the_scope_names_regions_and_nobody_elses(patterns, regions):
    assert regions_in("azure", Scope(regions=patterns)) == regions


def test_a_scope_without_a_region_of_azure_asks_nothing_and_says_so():
    cloud = Cloud({})
    result = cloud.collect("aws:us-east-1")
    assert cloud.asked == []
    assert {unseen.why for unseen in result.unseen} == {"the scope names no region of Azure"}


# --- pages


def test_pages_are_followed_to_the_last():
    pages = [
        a_page(a_row("eastus"), link="?page=1"),
        a_page(a_row("eastus", "7.346", "NC48ads_A100_v4"), link="?page=2"),
        a_page(a_row("eastus", "14.692", "NC96ads_A100_v4")),
    ]
    result = Cloud({"eastus": pages}).collect("eastus")
    assert len(result.offers) == 3
    assert result.rejections == ()
    assert result.regions_done == ("eastus",)


def test_two_prices_on_two_pages_are_a_conflict():
    pages = [a_page(a_row("eastus"), link="?page=1"), a_page(a_row("eastus", "3.06", meterId="other"))]
    result = Cloud({"eastus": pages}).collect("eastus")
    assert ids(result) == []
    assert [rejection.reason for rejection in result.rejections] == ["price_conflict"]


def test_what_came_before_a_page_that_failed_is_kept_and_the_region_is_not_done():
    pages = [a_page(a_row("eastus"), link="?page=1"), Unavailable("azure: HTTP 503")]
    result = Cloud({"eastus": pages}).collect("eastus")
    assert len(result.offers) == 1
    assert result.regions_done == ()
    (rejection,) = result.rejections
    assert (rejection.reason, rejection.detail) == ("fetch_failed", "page 2: azure: HTTP 503")


def test_pages_in_a_circle_come_to_an_end():
    pages = [a_page(a_row("eastus"), link="?page=1"), a_page(link="?page=1")]
    result = Cloud({"eastus": pages}).collect("eastus")
    assert len(result.offers) == 1
    assert "pages without end" in result.rejections[0].detail


def test_pages_without_end_come_to_one():
    class Endless(Cloud):
        def __call__(self, operation, **args):
            if operation != "retail_prices":
                return super().__call__(operation, **args)
            self.asked.append((operation, args["region"]))
            return Answer(a_page(a_row("eastus"), link=f"?page={len(self.asked)}"))

    cloud = Endless({})
    assert "pages without end" in cloud.collect("eastus").rejections[0].detail
    assert len([one for one in cloud.asked if one[0] == "retail_prices"]) == MOST_PAGES


def test_only_the_page_is_taken_from_a_link():
    assert page_of(LINK, "eastus", BASE) == {"$skip": "1000"}
    assert page_of(LINK, "eastus", "http://127.0.0.1:8080") == {"$skip": "1000"}  # a mirror that copies links
    own = "http://127.0.0.1:8080/api/retail/prices?$skip=2000"
    assert page_of(own, "eastus", "http://127.0.0.1:8080") == {"$skip": "2000"}


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example/api/retail/prices?$skip=1000",
        "https://prices.azure.com.evil.example/api/retail/prices?$skip=1000",
        "https://prices.azure.com/elsewhere?$skip=1000",
        "https://prices.azure.com/api/retail/prices",
        "https://prices.azure.com/api/retail/prices?currencyCode=EUR",
        "https://prices.azure.com/api/retail/prices?$skip=1&$skip=2",
        "https://prices.azure.com/api/retail/prices?$skip=1000&$filter=serviceName eq 'Storage'",
        "//[",
    ],
)
def test_a_link_that_leads_elsewhere_is_refused(link):
    with pytest.raises(PayloadError, match="refused to follow"):
        page_of(link, "eastus", BASE)


@pytest.mark.parametrize("link", [5, True, ["x"], {}])
def test_a_link_that_is_no_text_is_refused(link):
    with pytest.raises(PayloadError, match="NextPageLink"):
        next_link({"NextPageLink": link}, "eastus")


def test_the_question_is_about_one_region_and_gpu_series_only():
    """Case-sensitive in the preview version, without ``or``."""
    assert retail_filter("eastus") == (
        "serviceName eq 'Virtual Machines' and priceType eq 'Consumption' and armRegionName eq 'eastus'"
        " and contains(armSkuName, 'Standard_N')"
    )


# --- over HTTP


@pytest.fixture
def from_env(tmp_path):
    def build(url):
        environ = {
            "ADVISOR_AZURE_RETAIL_URL": url,
            "ADVISOR_HTTP_CACHE": str(tmp_path / "http.sqlite"),
            "ADVISOR_HTTP_BACKOFF_S": "0.001",
            "ADVISOR_HTTP_RETRIES": "1",
        }
        return Azure.from_env(environ)

    return build


@pytest.fixture
def over_http(from_env):
    def collect(scenario, *regions):
        with replaying("azure", scenario, NOW.timestamp()) as (url, replay):
            return from_env(url).collect(Scope(regions=regions), NOW), replay

    return collect


def test_both_pages_count_and_the_row_on_both_counts_once(over_http):
    result, replay = over_http("two-pages", "australiacentral")
    assert {priced.offer.id.removeprefix("azure:australiacentral:Standard_"): str(priced.offer.usd_per_hour)
            for priced in result.offers} == {
        "NC64as_T4_v3:on_demand": "5.645",
        "NC64as_T4_v3:spot": "0.62095",  # 0.11 x 5.645
        "NC24ads_A100_v4:on_demand": "3.673",
        "NC24ads_A100_v4:spot": "0.40403",
    }  # fmt: skip
    first, second = (parse_qs(urlsplit(request["path"]).query) for request in replay.requests)
    assert second == {**first, "$skip": ["1000"]}
    assert first["$filter"] == [retail_filter("australiacentral")]
    assert all("Authorization" not in request["headers"] for request in replay.requests)


def test_a_second_refresh_soon_after_asks_nobody(from_env):
    scope = Scope(regions=("westus", "francecentral"))
    with replaying("azure", "typical", NOW.timestamp()) as (url, replay):
        first = from_env(url).collect(scope, NOW)
        again = from_env(url).collect(scope, NOW)
    assert len(replay.requests) == 2
    assert {priced.offer.region for priced in first.offers} == {"francecentral", "westus"}
    assert again.offers == first.offers


def test_all_recorded_linux_prices_of_known_sizes_are_offers(over_http):
    """57 of 137 observed rows: 68 Linux, less 7 of ND96ams and 4 of noIB variants; and one of westus."""
    result, _ = over_http("typical")
    observed = payload_of("azure", "typical", "retail-prices.json")["Items"][14:]
    linux = [row for row in observed if "Windows" not in row["productName"]]
    unmapped = [row for row in linux if "ND96ams_" in row["armSkuName"] or "_noIB_" in row["armSkuName"]]
    assert (len(linux), len(unmapped)) == (68, 11)
    assert len(result.offers) == 57 + 1
    stated = {(row["armRegionName"], row["armSkuName"]): row["retailPrice"] for row in linux}
    for priced in result.offers:
        offer = priced.offer
        size = "Standard_ND96asr_A100_v4" if "asr" in offer.instance_type else offer.instance_type
        assert offer.usd_per_hour == stated.get((offer.region, size), Decimal("5.222"))


# --- failures


def test_a_region_the_list_refuses_is_a_rejection_and_the_others_stay():
    cloud = Cloud({"eastus": [a_page(a_row("eastus"))], "westus": [PayloadError("azure: HTTP 400")]})
    result = cloud.collect("eastus", "westus")
    assert len(result.offers) == 1
    assert result.regions_done == ("eastus",)
    assert [(one.reason, one.region) for one in result.rejections] == [("fetch_failed", "westus")]


def test_where_the_server_is_down_a_few_regions_find_out_for_all():
    cloud = Cloud({region: [Unavailable("azure: HTTP 503")] for region in REGIONS})
    with pytest.raises(Unavailable):
        cloud.collect()
    assert len(cloud.asked) == PROBES


def test_where_the_server_goes_down_on_the_way_the_rest_is_told_not_asked():
    up = REGIONS[0]
    down = {region: [Unavailable("azure: HTTP 503")] for region in REGIONS[1:]}
    cloud = Cloud({up: [a_page(a_row(up))], **down})
    result = cloud.collect()
    assert len(result.offers) == 1
    asked = [region for operation, region in cloud.asked if operation == "retail_prices"]
    assert len(asked) == 1 + WORKERS
    assert {one.region for one in result.rejections} == set(REGIONS[1:])


def test_one_region_that_is_down_does_not_take_the_provider_down():
    """Not even the first of the alphabet, which was the probe for all once."""
    up = {region: [a_page(a_row(region))] for region in REGIONS[1:]}
    result = Cloud({REGIONS[0]: [Unavailable("azure: HTTP 503")], **up}).collect()
    assert len(result.offers) == len(REGIONS) - 1
    assert [(one.region, one.reason) for one in result.rejections] == [(REGIONS[0], "fetch_failed")]


def test_a_bad_first_region_does_not_cost_the_others():
    cloud = Cloud({REGIONS[0]: [PayloadError("azure: HTTP 400")], "eastus": [a_page(a_row("eastus"))]})
    assert len(cloud.collect().offers) == 1


def test_answers_and_failures_are_in_the_order_of_the_regions():
    answers, failures = ask_each(["c", "a", "b"], str.upper)
    assert (list(answers), failures) == (["c", "a", "b"], {})
    assert ask_each([], str.upper) == ({}, {})


# --- the account


def test_one_regions_quota_refused_leaves_the_others():
    usage = {"limit": 100, "currentValue": 4, "name": {"value": "cores"}}
    account = {
        ("resource_skus", "eastus"): [],
        ("resource_skus", "westus"): AccessDenied("azure: no"),
        ("usages", "eastus"): [usage],
        ("usages", "westus"): PayloadError("azure: HTTP 400 (NoRegisteredProviderFound)"),
    }
    regions = {name: [a_page(a_row(name))] for name in ("eastus", "westus")}
    result = Cloud(regions, account).collect("eastus", "westus")
    assert [limit.key for limit in result.quotas] == ["azure:eastus:cores"]
    told = {(one.subject, one.region) for one in result.rejections}
    assert told == {("resource_skus", "westus"), ("usages", "westus")}
    flags = {priced.offer.region: priced.offer.flags for priced in result.offers}
    assert flags == {"eastus": ("not_offered",), "westus": ()}


def test_a_subscription_is_asked_only_about_regions_with_a_price():
    account = {("resource_skus", "eastus"): [], ("usages", "eastus"): []}
    cloud = Cloud({"eastus": [a_page(a_row("eastus"))]}, account)
    cloud.collect("eastus", "westus", "uksouth")
    assert {region for operation, region in cloud.asked if operation != "retail_prices"} == {"eastus"}


def test_an_answer_about_the_account_that_is_no_list_is_told():
    account = {("resource_skus", "eastus"): {}, ("usages", "eastus"): None}
    result = Cloud({"eastus": [a_page(a_row("eastus"))]}, account).collect("eastus")
    assert len(result.offers) == 1
    assert [one.reason for one in result.rejections] == ["fetch_failed", "fetch_failed"]


def test_an_empty_list_everywhere_is_said_so():
    result = Cloud({}).collect("eastus")
    whys = {unseen.what: unseen.why for unseen in result.unseen if unseen.market is None}
    assert "empty list" in whys[Aspect.PRICE]


def test_spot_evictions_are_not_seen_and_that_is_said():
    result = Cloud({"eastus": [a_page(a_row("eastus"))]}).collect("eastus")
    assert any(
        unseen.what is Aspect.AVAILABILITY and unseen.market is Market.SPOT for unseen in result.unseen
    )


def test_the_permissions_name_every_action_used():
    for words in ("Reader", "Microsoft.Compute/skus/read", "Microsoft.Compute/locations/usages/read"):
        assert words in Azure.permissions
