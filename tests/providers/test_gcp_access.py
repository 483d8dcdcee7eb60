"""Google Cloud over loopback: the genuine Compute client, sign-in, errors, and what is never written down."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import NOW, TOKEN
from replay_cloud import QuietHandler, replaying, serving

from advisor.domain import Availability
from advisor.errors import (
    AccessDenied,
    MissingCredentials,
    PayloadError,
    ProviderError,
    Unavailable,
    UsageError,
)
from advisor.provider import Answer, Aspect, Scope
from providers.gcp import GoogleCloud
from providers.gcp.access import GoogleAccess

PROJECT = "example-project"


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home without Google credentials, and a process without any in its environment."""
    for variable in ("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CLOUD_PROJECT", "GCE_METADATA_HOST"):
        monkeypatch.delenv(variable, raising=False)
    return tmp_path


def only(home, **more):
    """An environment with nothing but a cache, few retries and what is given."""
    patience = {
        "ADVISOR_HTTP_TIMEOUT_S": "60",
        "ADVISOR_HTTP_BACKOFF_S": "0.001",
        "ADVISOR_HTTP_RETRIES": "1",
    }
    return {"HOME": str(home), "ADVISOR_HTTP_CACHE": str(home / "cache" / "http.sqlite"), **patience, **more}


def everywhere(url):
    return {f"ADVISOR_GCP_{api}_URL": url for api in ("BILLING", "COMPUTE", "QUOTAS")}


def answering(status, content, delay_s=0.0):
    """A server with one answer to everything, and the requests it got."""
    requests = []

    class Handler(QuietHandler):
        def _answer(self):
            import time

            headers = {name.title(): value for name, value in self.headers.items()}
            requests.append((self.path, headers, self.body()))
            time.sleep(delay_s)
            self.send(status, content(self.path) if callable(content) else content)

        do_GET = do_POST = _answer  # noqa: N815

    return serving(Handler), requests


# --- what can be seen with which credentials


def test_without_key_and_credentials_nothing_can_be_seen_and_it_says_what_would_help(home):
    with pytest.raises(MissingCredentials, match=r"GOOGLE_API_KEY.*application-default login"):
        GoogleCloud.from_env(only(home))


def test_with_a_key_alone_prices_are_seen_and_the_rest_is_said_to_be_unseen(home):
    with replaying("gcp", "typical", NOW.timestamp()) as (url, replay):
        environ = only(home, ADVISOR_GCP_BILLING_URL=url, GOOGLE_API_KEY=TOKEN)
        result = GoogleCloud.from_env(environ).collect(Scope(), NOW)
    assert {request["headers"].get("X-Goog-Api-Key") for request in replay.requests} == {TOKEN}
    assert not any(TOKEN in request["path"] for request in replay.requests)
    assert {unseen.what for unseen in result.unseen} == {Aspect.AVAILABILITY, Aspect.QUOTA}
    assert all("application-default login" in unseen.why for unseen in result.unseen)
    assert {rejection.reason for rejection in result.rejections} == {"price_missing"}
    stated = {priced.offer.availability for priced in result.offers if not priced.offer.flags}
    assert stated == {Availability.UNKNOWN}
    assert result.quotas == ()


def test_a_service_account_is_signed_in_and_its_token_is_sent(home, monkeypatch):
    def content(path):
        if path == "/token":
            return json.dumps({"access_token": TOKEN, "expires_in": 3600, "token_type": "Bearer"}).encode()
        return b'{"skus": []}' if path.startswith("/v1/services") else b'{"items": {}, "quotaInfos": []}'

    server, requests = answering(200, content)
    with server as url:
        file = service_account(home, f"{url}/token")
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
        environ = only(home, GOOGLE_APPLICATION_CREDENTIALS=str(file), **everywhere(url))
        access = GoogleAccess(environ)
        access("skus", page_token="")
        access("quotaInfos", page_token="")
    asked = {path.partition("?")[0]: headers for path, headers, _ in requests}
    quotas = f"/v1/projects/{PROJECT}/locations/global/services/compute.googleapis.com/quotaInfos"
    assert asked["/v1/services/6F81-5844-456A/skus"]["Authorization"] == f"Bearer {TOKEN}"
    assert asked[quotas]["Authorization"] == f"Bearer {TOKEN}"  # the file's own project
    kept = (home / "cache" / "http.sqlite").read_bytes()
    assert TOKEN.encode() not in kept
    assert PROJECT.encode() not in kept


def service_account(home, token_uri):
    """A key file with a key nobody else has, made on the spot."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = home / "account.json"
    file.write_text(
        json.dumps(
            {
                "type": "service_account",
                "project_id": PROJECT,
                "private_key": pem.decode(),
                "client_email": "robot@example.com",
                "token_uri": token_uri,
            }
        )
    )
    return file


def test_unreadable_credentials_are_said_to_be_so(home, monkeypatch):
    (home / "account.json").write_text("{")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(home / "account.json"))
    access = GoogleAccess(only(home, GOOGLE_APPLICATION_CREDENTIALS=str(home / "account.json")))
    with pytest.raises(MissingCredentials, match="cannot be read") as caught:
        access("regions")
    assert str(home) not in str(caught.value)


def test_a_project_must_be_named(home):
    access = GoogleAccess(only(home, GOOGLE_API_KEY=TOKEN, **everywhere("http://127.0.0.1:9")))
    with pytest.raises(MissingCredentials, match="GOOGLE_CLOUD_PROJECT"):
        access("regions")


@pytest.mark.parametrize("api", ["BILLING", "COMPUTE", "QUOTAS"])
def test_plain_http_elsewhere_is_refused(home, api):
    with pytest.raises(UsageError, match=f"ADVISOR_GCP_{api}_URL"):
        GoogleCloud.from_env(
            only(home, GOOGLE_API_KEY=TOKEN, **{f"ADVISOR_GCP_{api}_URL": "http://example.com"})
        )


# --- errors


def compute_error(code):
    said = f"Compute Engine API has not been used in project {PROJECT} before or it is disabled."
    return json.dumps({"error": {"code": code, "message": said}}).encode()


@pytest.mark.parametrize(
    "operation", ["machineTypes", "acceleratorTypes", "regions", "project", "quotaInfos"]
)
@pytest.mark.parametrize(
    ("status", "content", "error", "asked"),
    [
        (401, compute_error(401), AccessDenied, 1),
        (403, compute_error(403), AccessDenied, 1),
        (404, compute_error(404), PayloadError, 1),
        (429, compute_error(429), Unavailable, 2),
        (503, compute_error(503), Unavailable, 2),
        (200, b'{"items": [{"name": "us-', PayloadError, 1),
    ],
)
def test_googles_errors_are_ours_without_project_or_key(home, operation, status, content, error, asked):
    server, requests = answering(status, content)
    with server as url:
        environ = only(home, GOOGLE_API_KEY=TOKEN, GOOGLE_CLOUD_PROJECT=PROJECT, **everywhere(url))
        with pytest.raises(error, match=f"^gcp: {operation}: ") as caught:
            GoogleAccess(environ)(operation)
    assert len(requests) == asked
    assert PROJECT not in str(caught.value)
    assert TOKEN not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_late_compute_answer_is_unavailable(home):
    server, _ = answering(200, b"{}", delay_s=0.3)
    with server as url:
        environ = only(home, GOOGLE_API_KEY=TOKEN, GOOGLE_CLOUD_PROJECT=PROJECT, **everywhere(url))
        environ |= {"ADVISOR_HTTP_TIMEOUT_S": "0.1", "ADVISOR_HTTP_RETRIES": "0"}
        with pytest.raises(Unavailable, match=r"no answer within 0\.1 s"):
            GoogleAccess(environ)("regions")


def test_compute_refused_leaves_prices_and_says_what_is_missing(home):
    with (
        replaying("gcp", "typical", NOW.timestamp()) as (billing, _),
        answering(403, compute_error(403))[0] as refusing,
    ):
        environ = only(home, GOOGLE_API_KEY=TOKEN, GOOGLE_CLOUD_PROJECT=PROJECT, **everywhere(refusing))
        environ["ADVISOR_GCP_BILLING_URL"] = billing
        result = GoogleCloud.from_env(environ).collect(Scope(), NOW)
    assert result.offers
    failed = {rejection.subject for rejection in result.rejections if rejection.reason == "fetch_failed"}
    assert failed == {"machineTypes", "regions", "project", "quotaInfos"}
    assert all("access denied (HTTP 403)" in unseen.why for unseen in result.unseen)


# --- pages


def a_fake(pages, **others):
    """A fetch whose catalogue has these pages, by token, and which has nothing else to say."""

    def fetch(operation, page_token=""):
        if operation == "skus":
            page = pages[page_token]
            if isinstance(page, ProviderError):
                raise page
            return Answer(page)
        raise MissingCredentials("gcp: none")

    return GoogleCloud(fetch)


def test_half_a_catalogue_is_none_since_it_would_hide_conflicts():
    pages = {"": {"skus": [], "nextPageToken": "2"}, "2": Unavailable("gcp: skus: HTTP 503")}
    with pytest.raises(Unavailable, match="503"):
        a_fake(pages).collect(Scope(), NOW)


def test_pages_that_lead_to_each_other_end():
    pages = {token: {"skus": [], "nextPageToken": "2"} for token in ("", "2")}
    with pytest.raises(PayloadError, match="do not end"):
        a_fake(pages).collect(Scope(), NOW)


def test_the_sdks_pages_are_joined_zone_by_zone(home):
    with replaying("gcp", "two-pages", NOW.timestamp()) as (url, replay):
        environ = only(home, GOOGLE_API_KEY=TOKEN, GOOGLE_CLOUD_PROJECT=PROJECT, **everywhere(url))
        zones = GoogleAccess(environ)("machineTypes").payload["items"]
    names = {zone: [item["name"] for item in scoped["machineTypes"]] for zone, scoped in zones.items()}
    assert names["zones/us-central1-a"] == ["a2-highgpu-1g", "a2-highgpu-2g"]
    assert names["zones/us-central1-c"] == ["a2-highgpu-1g"]
    assert "pageToken=m-2" in replay.requests[1]["path"]


# --- what is never written down


def test_neither_key_nor_project_nor_quota_reaches_a_file_a_message_or_the_evidence(home):
    with replaying("gcp", "typical", NOW.timestamp()) as (url, _):
        environ = only(home, GOOGLE_API_KEY=TOKEN, GOOGLE_CLOUD_PROJECT=PROJECT, **everywhere(url))
        adapter = GoogleCloud.from_env(environ)
        result = adapter.collect(Scope(), NOW)
    written = b"".join(path.read_bytes() for path in Path(home).rglob("*") if path.is_file())
    assert b"6F81-5844-456A" in written  # the public catalogue is cached
    said = repr((adapter.__dict__, result)).encode() + b"".join(result.evidence.values())
    for secret in (TOKEN, PROJECT):
        assert secret.encode() not in written
        assert secret.encode() not in said
    assert b"quotaInfos" not in written
    assert b"NVIDIA_L4_GPUS" not in written


def test_looking_at_the_adapter_imports_nothing_of_googles():
    code = (
        "import sys, providers.gcp as g;"
        "g.GoogleCloud.from_env({'GOOGLE_API_KEY': 'k' * 20, 'HOME': '/nonexistent'});"
        "bad = [m for m in sys.modules if m.split('.')[0] in ('google', 'requests', 'urllib3', 'proto')];"
        "sys.stderr.write(','.join(sorted(bad)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
