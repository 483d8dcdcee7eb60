"""Azure's own SDK against a TLS server on this machine, certified by a CA of the test's own."""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
import time
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from urllib.parse import unquote

import pytest
import trustme
from conftest import NOW, TOKEN
from replay_cloud import FIXTURES, QuietHandler, replaying, serving

from advisor.domain import Availability, QuotaUnit
from advisor.errors import AccessDenied, MissingCredentials, PayloadError, Unavailable, UsageError
from advisor.provider import Aspect, Scope
from providers.azure import Azure
from providers.azure.account import parse_skus, parse_usages, with_stock
from providers.azure.arm import Subscription
from providers.azure.retail import parse_region

ACCOUNT = FIXTURES.parent / "azure_account"
SUBSCRIPTION = "5ec4e7ed-0000-4000-8000-00000000abcd"
SKUS = (ACCOUNT / "resource_skus.json").read_bytes()
USAGES = (ACCOUNT / "usages.json").read_bytes()


def denied(code="AuthorizationFailed"):
    message = f"The client '{TOKEN}' has no authorization over scope '/subscriptions/{SUBSCRIPTION}'"
    return json.dumps({"error": {"code": code, "message": message}}).encode()


class Credential:
    """What azure-identity hands to the SDK: any object with get_token."""

    def get_token(self, *scopes, **_):
        from azure.core.credentials import AccessToken

        assert scopes == ("https://management.azure.com/.default",)
        return AccessToken(TOKEN, int(time.time()) + 3600)


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def trusted(authority, tmp_path, monkeypatch):
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    return bundle


@contextmanager
def management(authority, answers):
    """A server that finds answers by a word of the path: (status, body[, headers]); the last one repeats.

    ``OWN_URL`` in a body becomes the server's address.
    """
    asked = []
    queues = {
        word: list(answer) if isinstance(answer, list) else [answer] for word, answer in answers.items()
    }

    class Handler(QuietHandler):
        def do_GET(self):  # noqa: N802
            path = unquote(self.path)
            asked.append((path, self.headers.get("Authorization"), self.headers.get("Host")))
            queue = next((queue for word, queue in queues.items() if word in path), [(404, b"{}")])
            status, body, *headers = queue.pop(0) if len(queue) > 1 else queue[0]
            own = f"https://{self.headers['Host']}".encode()
            self.send(status, body.replace(b"OWN_URL", own), *headers)

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with serving(Handler, context) as url:
        yield url, asked


@pytest.fixture
def settings(tmp_path):
    from providers._settings import HttpSettings

    return HttpSettings(tmp_path / "http.sqlite", timeout_s=2, retries=1, backoff_s=0.001)


@pytest.fixture
def subscription(settings):
    def build(url, subscription=SUBSCRIPTION):
        return Subscription(subscription, url, settings, Credential)

    return build


# --- the whole way


def environ(tmp_path, retail, arm, **more):
    return {
        "ADVISOR_AZURE_RETAIL_URL": retail,
        "ADVISOR_AZURE_MANAGEMENT_URL": arm,
        "ADVISOR_HTTP_CACHE": str(tmp_path / "cache" / "http.sqlite"),
        "ADVISOR_HTTP_RETRIES": "1",
        "ADVISOR_HTTP_BACKOFF_S": "0.001",
        "ADVISOR_HTTP_TIMEOUT_S": "60",
        "AZURE_SUBSCRIPTION_ID": SUBSCRIPTION,
        **more,
    }


@pytest.fixture
def signed_in(monkeypatch):
    """A managed identity as App Service offers it, so that DefaultAzureCredential works for real."""
    for name in ("AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_CLIENT_SECRET", "MSI_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    token = {"access_token": TOKEN, "expires_on": str(int(time.time()) + 86400), "token_type": "Bearer"}

    class Handler(QuietHandler):
        def do_GET(self):  # noqa: N802
            self.send(200, json.dumps({**token, "resource": "https://management.azure.com"}).encode())

    with serving(Handler) as url:
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"{url}/msi/token")
        monkeypatch.setenv("IDENTITY_HEADER", "an-identity-header")
        yield


def test_with_a_subscription_prices_gain_availability_and_quotas(authority, trusted, signed_in, tmp_path):
    skus = SKUS.replace(b'"southcentralus"', b'"australiacentral"').replace(b"NC16as_T4_v3", b"NC64as_T4_v3")
    skus = skus.replace(b'"name": "vCPUs",\n     "value": "16"', b'"name": "vCPUs",\n     "value": "64"')
    skus = skus.replace(b'"name": "GPUs",\n     "value": "1"', b'"name": "GPUs",\n     "value": "4"', 1)
    with (
        replaying("azure", "two-pages", NOW.timestamp()) as (retail, _),
        management(authority, {"/skus": (200, skus), "/usages": (200, USAGES)}) as (arm, asked),
    ):
        adapter = Azure.from_env(environ(tmp_path, retail, arm))
        result = adapter.collect(Scope(regions=("azure:australiacentral",)), NOW)
    found = {priced.offer.id: priced.offer for priced in result.offers}
    t4 = found["azure:australiacentral:Standard_NC64as_T4_v3:on_demand"]
    assert (t4.availability, t4.usd_per_hour) == (Availability.AVAILABLE, Decimal("5.645"))
    assert t4.availability_basis.endswith("zones 1, 2, 3, no restriction")
    assert {limit.pool: (limit.limit, limit.used) for limit in result.quotas} == {
        "Standard NCASv3_T4 Family": (64, 16),
        "StandardNCADSA100v4Family": (96, 24),
        "cores": (350, 96),
        "lowPriorityCores": (100, 0),
        "standardNCSv3Family": (24, 0),
    }
    assert {limit.unit for limit in result.quotas} == {QuotaUnit.VCPU}
    assert {limit.region for limit in result.quotas} == {"australiacentral"}
    assert not any(unseen.what is Aspect.QUOTA for unseen in result.unseen)
    assert result.rejections == ()
    assert {authorization for _, authorization, _ in asked} == {f"Bearer {TOKEN}"}
    assert_no_secret(tmp_path, result)


def assert_no_secret(tmp_path, result):
    """Nothing that names the subscription or proves who we are is in the result or in any file."""
    secrets = (SUBSCRIPTION, TOKEN)
    assert not any(secret in repr(result) for secret in secrets)
    for path in Path(tmp_path).rglob("*"):
        if path.is_file():
            assert not any(secret.encode() in path.read_bytes() for secret in secrets), path


@pytest.mark.parametrize("status", [401, 403])
def test_without_the_role_prices_stay_and_the_rest_is_unseen_with_the_reason(
    authority, trusted, signed_in, tmp_path, status, caplog
):
    caplog.set_level("INFO")
    with (
        replaying("azure", "two-pages", NOW.timestamp()) as (retail, _),
        management(authority, {"/": (status, denied())}) as (arm, asked),
    ):
        adapter = Azure.from_env(environ(tmp_path, retail, arm))
        result = adapter.collect(Scope(regions=("azure:australiacentral",)), NOW)
    assert len(result.offers) == 4
    whys = {unseen.what: unseen.why for unseen in result.unseen if unseen.market is None}
    assert set(whys) == {Aspect.AVAILABILITY, Aspect.QUOTA}
    assert all("access denied (AuthorizationFailed)" in why for why in whys.values())
    assert len(asked) == 2  # once per question: a denial is not repeated
    assert_no_secret(tmp_path, result)
    assert SUBSCRIPTION not in caplog.text
    assert TOKEN not in caplog.text


def test_without_a_subscription_nothing_is_asked_and_it_says_what_to_set(tmp_path):
    with replaying("azure", "two-pages", NOW.timestamp()) as (retail, _):
        given = environ(tmp_path, retail, "https://127.0.0.1:9", AZURE_SUBSCRIPTION_ID="")
        result = Azure.from_env(given).collect(Scope(regions=("azure:australiacentral",)), NOW)
    whys = {unseen.what: unseen.why for unseen in result.unseen if unseen.market is None}
    assert set(whys) == {Aspect.AVAILABILITY, Aspect.QUOTA}
    assert all("AZURE_SUBSCRIPTION_ID is not set" in why for why in whys.values())
    assert {priced.offer.availability for priced in result.offers} == {Availability.UNKNOWN}


def test_something_else_than_a_subscription_id_is_refused_without_being_shown(tmp_path):
    for wrong in (TOKEN, f"{SUBSCRIPTION}/../x", "5ec4e7ed"):
        with pytest.raises(UsageError, match="AZURE_SUBSCRIPTION_ID") as caught:
            Azure.from_env(
                environ(tmp_path, "https://a.example", "https://b.example") | {"AZURE_SUBSCRIPTION_ID": wrong}
            )
        assert wrong not in str(caught.value)


# --- the SDK's answers, one by one


def test_the_filter_names_the_region_and_only_it(authority, trusted, subscription):
    with management(authority, {"/skus": (200, SKUS)}) as (url, asked):
        answer = subscription(url).resource_skus("southcentralus")
    assert len(answer.payload) == 9
    assert "$filter=location eq 'southcentralus'" in asked[0][0]


def test_two_pages_of_usages_are_one_list(authority, trusted, subscription):
    usages = json.loads(USAGES)["value"]
    first = {"value": usages[:3], "nextLink": f"OWN_URL/subscriptions/{SUBSCRIPTION}/usages?page=2"}
    pages = {
        "page=2": (200, json.dumps({"value": usages[3:]}).encode()),
        "/usages": (200, json.dumps(first).encode()),
    }
    with management(authority, pages) as (url, asked):
        assert subscription(url).usages("eastus").payload == usages
    assert len(asked) == 2


def test_a_token_never_follows_a_link_to_another_host(authority, trusted, subscription):
    with management(authority, {"/": (200, USAGES)}) as (elsewhere, asked_elsewhere):
        page = json.dumps({"value": [], "nextLink": f"{elsewhere}/usages?page=2"}).encode()
        with management(authority, {"/usages": (200, page)}) as (url, _), pytest.raises(Unavailable):
            subscription(url).usages("eastus")
    assert asked_elsewhere == []


def test_a_redirect_is_not_followed(authority, trusted, subscription):
    with management(authority, {"/": (200, USAGES)}) as (elsewhere, asked_elsewhere):
        away = (302, b"{}", {"Location": f"{elsewhere}/usages"})
        with management(authority, {"/usages": away}) as (url, _), pytest.raises(PayloadError, match="302"):
            subscription(url).usages("eastus")
    assert asked_elsewhere == []


def test_throttling_is_waited_for(authority, trusted, subscription):
    throttled = (429, b"{}", {"Retry-After": "0"})
    with management(authority, {"/usages": [throttled, (200, USAGES)]}) as (url, asked):
        assert len(subscription(url).usages("eastus").payload) == 7
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("status", "body", "error", "said"),
    [
        (403, denied(), AccessDenied, r"\(AuthorizationFailed\).*explain-permissions"),
        (401, denied("InvalidAuthenticationToken"), AccessDenied, "access denied"),
        (404, denied("SubscriptionNotFound"), AccessDenied, r"\(SubscriptionNotFound\)"),
        (400, denied("NoRegisteredProviderFound"), PayloadError, r"HTTP 400 \(NoRegisteredProviderFound\)"),
        (429, b"{}", Unavailable, "HTTP 429"),
        (503, b"{}", Unavailable, "HTTP 503"),
        (200, USAGES[:200], PayloadError, "not whole JSON"),
        (200, b'{"value": 5}', PayloadError, "usages"),
        (200, b"[1]", PayloadError, "usages"),
    ],
)
def test_the_sdks_errors_are_ours_and_name_nobody(
    authority, trusted, subscription, status, body, error, said
):
    with management(authority, {"/usages": (status, body, {"Retry-After": "0"})}) as (url, _):
        with pytest.raises(error, match=said) as caught:
            parse_usages(subscription(url).usages("eastus").payload, "eastus")
        assert SUBSCRIPTION not in str(caught.value)
        assert TOKEN not in str(caught.value)
        assert caught.value.__cause__ is None
        assert SUBSCRIPTION not in repr(subscription(url))


def test_a_certificate_nobody_vouches_for_is_not_believed(authority, subscription, tmp_path, monkeypatch):
    bundle = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(bundle))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    with management(authority, {"/": (200, USAGES)}) as (url, asked), pytest.raises(Unavailable):
        subscription(url).usages("eastus")
    assert asked == []


def test_a_server_on_this_machine_may_speak_plain_http(subscription):
    """Loopback only: the base URL is checked before, and every other must be https."""

    class Handler(QuietHandler):
        def do_GET(self):  # noqa: N802
            self.send(200, USAGES)

    with serving(Handler) as url:
        assert len(subscription(url).usages("eastus").payload) == 7


def test_importing_the_adapter_loads_no_sdk():
    code = (
        "import sys, providers.azure, providers.sheet;"
        " print(sorted({name.partition('.')[0] for name in sys.modules}"
        " & {'azure', 'requests', 'requests_cache', 'yaml', 'pydantic', 'duckdb', 'numpy'}))"
    )
    root = FIXTURES.parents[1]
    said = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"


def test_no_credential_at_all_is_told_apart_from_a_denial(authority, trusted, settings):
    class Nobody:
        def get_token(self, *_, **__):
            from azure.identity import CredentialUnavailableError

            raise CredentialUnavailableError(message=f"nobody signed in to {SUBSCRIPTION}")

    with management(authority, {"/": (200, USAGES)}) as (url, asked):
        with pytest.raises(MissingCredentials, match="az login") as caught:
            Subscription(SUBSCRIPTION, url, settings, Nobody).usages("eastus")
        assert SUBSCRIPTION not in str(caught.value)
    assert asked == []


def test_azures_own_chain_without_a_credential_says_so_once_and_shortly(
    authority, trusted, settings, monkeypatch, caplog, capfd
):
    for name in ("AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_CLIENT_SECRET", "AZURE_USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")
    said = pytest.raises(MissingCredentials, match="az login")
    with management(authority, {"/": (200, USAGES)}) as (url, asked), said:
        Subscription(SUBSCRIPTION, url, settings).usages("eastus")
    assert asked == []
    assert caplog.text == ""
    assert capfd.readouterr() == ("", "")


# --- what SKUs mean


def a_sku(**changed):
    capabilities = [{"name": "vCPUs", "value": "24"}, {"name": "GPUs", "value": "1"}]
    sku = {
        "resourceType": "virtualMachines",
        "name": "Standard_NC24ads_A100_v4",
        "family": "StandardNCADSA100v4Family",
        "locations": ["EastUS"],
        "locationInfo": [{"location": "EastUS", "zones": ["3", "1"]}],
        "capabilities": capabilities,
        "restrictions": [],
    }
    return {**sku, **changed}


def restriction(kind, zones=(), locations=("eastus",)):
    return {
        "type": kind,
        "values": list(locations),
        "restrictionInfo": {"locations": list(locations), "zones": list(zones)},
        "reasonCode": "NotAvailableForSubscription",
    }


@pytest.mark.parametrize(
    ("restrictions", "availability", "basis"),
    [
        ([], Availability.AVAILABLE, "zones 1, 3, no restriction"),
        (
            [restriction("Location")],
            Availability.UNAVAILABLE,
            "not usable in eastus (NotAvailableForSubscription)",
        ),
        ([restriction("Zone", ["1"])], Availability.AVAILABLE, "zones 1, 3, not in 1"),
        (
            [restriction("Zone", ["1", "3"])],
            Availability.CONSTRAINED,
            "zones 1, 3, none of them usable (NotAvailableForSubscription)",
        ),
        ([restriction("Zone", ["1"]), restriction("Location")], Availability.UNAVAILABLE, "not usable"),
        ([restriction("Location", locations=["westus"])], Availability.AVAILABLE, "no restriction"),
        ([restriction("Moon")], Availability.UNKNOWN, "a restriction of unknown kind"),
    ],
)
def test_a_restriction_is_about_a_place(restrictions, availability, basis):
    stock, reading = parse_skus([a_sku(restrictions=restrictions)], "eastus", NOW)
    found = stock["Standard_NC24ads_A100_v4"]
    assert found.availability is availability
    assert basis in found.basis
    assert "2026-11-22 12:00Z" in found.basis
    assert reading.rejections == ()


def test_recorded_skus_are_read_and_cpu_sizes_are_none_of_ours():
    stock, reading = parse_skus(json.loads(SKUS)["value"], "southcentralus", NOW)
    assert set(stock) == {"Standard_NC16as_T4_v3", "Standard_NC24ads_A100_v4", "Standard_NC6s_v3"}
    assert all(found.mismatch is None for found in stock.values())
    assert stock["Standard_NC6s_v3"].basis.endswith("no zones, no restriction")
    assert reading.rejections == ()


def test_a_gpu_size_the_table_lacks_is_told():
    sku = a_sku(name="Standard_ND99as_X999_v9", capabilities=[{"name": "GPUs", "value": "8"}])
    _, reading = parse_skus([sku], "eastus", NOW)
    (rejection,) = reading.rejections
    assert (rejection.reason, rejection.subject) == ("unknown_accelerator", "Standard_ND99as_X999_v9")


def a_price(size="NC24ads_A100_v4"):
    return {
        "currencyCode": "USD",
        "retailPrice": Decimal("3.673"),
        "armRegionName": "eastus",
        "meterName": size,
        "productName": "Linux",
        "unitOfMeasure": "1 Hour",
        "type": "Consumption",
        "armSkuName": f"Standard_{size}",
    }


def test_a_size_the_subscription_does_not_list_is_priced_but_not_offered():
    prices = parse_region("eastus", [a_price()], Scope(), NOW)
    (priced,) = with_stock(prices, {}, "eastus", NOW).offers
    assert priced.offer.availability is Availability.UNAVAILABLE
    assert priced.offer.flags == ("not_offered",)


@pytest.mark.parametrize(
    ("capability", "value"), [("vCPUs", "48"), ("GPUs", "2"), ("GPUs", "one"), ("vCPUs", "24.0")]
)
def test_a_size_the_subscription_describes_otherwise_is_rejected(capability, value):
    stock, _ = parse_skus([a_sku(capabilities=[{"name": capability, "value": value}])], "eastus", NOW)
    reading = with_stock(parse_region("eastus", [a_price()], Scope(), NOW), stock, "eastus", NOW)
    assert reading.offers == ()
    assert reading.evidence == {}
    (rejection,) = reading.rejections
    assert rejection.reason == "specification_mismatch"
    assert repr(value) in rejection.detail


def test_a_share_of_a_gpu_says_one_gpu_and_that_is_no_contradiction():
    sku = a_sku(
        name="Standard_NV6ads_A10_v5",
        capabilities=[{"name": "vCPUs", "value": "6"}, {"name": "GPUs", "value": "1"}],
    )
    stock, _ = parse_skus([sku], "eastus", NOW)
    assert stock["Standard_NV6ads_A10_v5"].mismatch is None


# --- what usages mean


def a_usage(pool="cores", limit=100, used=4):
    return {"limit": limit, "currentValue": used, "unit": "Count", "name": {"value": pool}}


@pytest.mark.parametrize("spelling", ["Standard NCASv3_T4 Family", "standardNCASv3_T4Family"])
def test_a_family_is_one_pool_however_it_is_spelled(spelling):
    (limit,), _ = parse_usages([a_usage(spelling)], "eastus")
    assert limit.pool == "Standard NCASv3_T4 Family"


def test_a_limit_of_zero_is_a_limit():
    (limit,), _ = parse_usages([a_usage(limit=0, used=0)], "eastus")
    assert (limit.limit, limit.free) == (0, 0)


@pytest.mark.parametrize("limit", [-1, None, "100", 2**63 - 1, True, Decimal("1.5")])
def test_a_limit_that_says_nothing_is_told_not_read_as_zero_or_unlimited(limit):
    limits, reading = parse_usages([a_usage(limit=limit)], "eastus")
    assert limits == ()
    assert [rejection.subject for rejection in reading.rejections] == ["quota cores"]


def test_a_pool_stated_twice_is_told():
    limits, reading = parse_usages([a_usage(), a_usage(limit=5)], "eastus")
    assert len(limits) == len(reading.rejections) == 1


def test_the_account_fixtures_say_where_they_are_from():
    import tomllib

    origin = tomllib.loads((ACCOUNT / "origin.toml").read_text())
    assert set(origin) | {"origin.toml"} == {path.name for path in ACCOUNT.iterdir()}
    assert {entry["kind"] for entry in origin.values()} <= {"recorded", "documented", "synthetic"}
