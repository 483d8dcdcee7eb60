"""HTTP access: addresses, credentials, the cache on disk, bounds, and redirects. Nothing leaves 127.0.0.1."""

from __future__ import annotations

import gzip
import logging
import sqlite3
import ssl
import stat
import time
import traceback
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import formatdate

import pytest
import trustme
from conftest import ADAPTERS, NOW, TOKEN
from replay_cloud import QuietHandler, replaying, serving

from advisor.errors import (
    AccessDenied,
    AdvisorError,
    InputFileError,
    MissingCredentials,
    PayloadError,
    Unavailable,
    UsageError,
)
from advisor.provider import Scope
from providers._http import Endpoint, decoded
from providers._settings import HttpSettings, base_url, credential, http_settings


@pytest.fixture
def settings(tmp_path):
    def build(**changed):
        options = {
            "cache_path": tmp_path / "cache" / "http.sqlite",
            "timeout_s": 2.0,
            "retries": 0,
            "backoff_s": 0.0,
        }
        return HttpSettings(**{**options, **changed})

    return build


def endpoint(url, settings, headers=None):
    return Endpoint("acme", url, settings, {"Authorization": f"Bearer {TOKEN}", **(headers or {})})


def answering(*answers):
    """A handler class that gives these (status, content, headers) in turn, the last one for ever."""
    left = list(answers)

    class Handler(QuietHandler):
        asked = []  # noqa: RUF012

        def do_GET(self):  # noqa: N802  the name http.server calls
            Handler.asked.append(dict(self.headers))
            status, content, headers = left.pop(0) if len(left) > 1 else left[0]
            self.send(status, content, {"Date": formatdate(usegmt=True), **headers})

        do_POST = do_GET  # noqa: N815

    return Handler


OK = (200, b'{"price": 1.30000000000000001}', {})


# --- addresses and credentials


@pytest.mark.parametrize(
    "url", ["https://mirror.example/v1", "http://127.0.0.1:8080", "https://127.0.0.1:8443/x"]
)
def test_https_and_plain_loopback_may_be_redirected_to(url):
    assert base_url({"ADVISOR_X_URL": f" {url}/ "}, "ADVISOR_X_URL", "https://default.example") == url


@pytest.mark.parametrize(
    "url",
    [
        "http://mirror.example",
        "http://localhost:80",
        "http://127.0.0.1.evil.example",
        "http://10.0.0.1",
        "ftp://127.0.0.1/x",
        "file:///etc/passwd",
        "mirror.example",
        "https://",
        "https://[::1",
        "https://x:99999999",
        "https://user:hunter2@mirror.example",
        "https://mirror.example?key=hunter2",
        "https://mirror.example#x",
    ],
)
def test_any_other_address_is_refused_with_what_is_allowed(url):
    with pytest.raises(UsageError, match=r"ADVISOR_X_URL .*use https://") as refusal:
        base_url({"ADVISOR_X_URL": url}, "ADVISOR_X_URL", "https://default.example")
    assert "hunter2" not in str(refusal.value)


def test_an_empty_variable_means_the_default():
    assert (
        base_url({"ADVISOR_X_URL": " "}, "ADVISOR_X_URL", "https://default.example")
        == "https://default.example"
    )


@pytest.mark.parametrize("key", ["abc\ndef", "abc def", "schlüssel", "a\x00b"])
def test_a_key_that_is_none_is_refused_and_not_shown(key):
    with pytest.raises(UsageError) as refusal:
        credential({"X_API_KEY": key}, "X_API_KEY")
    assert key not in str(refusal.value)


def test_a_trailing_line_break_of_a_key_is_not_part_of_it():
    assert credential({"X_API_KEY": "abc\n"}, "X_API_KEY") == "abc"


def test_lambda_says_which_key_it_needs():
    with pytest.raises(MissingCredentials, match="LAMBDA_API_KEY"):
        ADAPTERS["lambda"].from_env({})


@pytest.mark.parametrize("value", ["-1", "soon", "nan", "inf"])
def test_a_bad_setting_names_the_variable(value):
    with pytest.raises(InputFileError, match="ADVISOR_HTTP_TIMEOUT_S"):
        http_settings({"ADVISOR_HTTP_TIMEOUT_S": value, "ADVISOR_HTTP_CACHE": "/x"})


# --- numbers and shape


def test_numbers_arrive_as_the_vendor_wrote_them():
    assert decoded("acme", b'{"price": 1.30000000000000001}') == {"price": Decimal("1.30000000000000001")}


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"<html>", b'{"a": 1}}', b"\xff\xfe", b"[" * 100_000, b"[" * 80 + b"]" * 80, b"1" * 5000],
)
def test_what_is_not_sound_json_is_a_payload_error(content):
    with pytest.raises(PayloadError):
        decoded("acme", content)


@pytest.mark.parametrize("number", [b"NaN", b"-Infinity", b"1e999999999999999999999"])
def test_numbers_that_are_none_never_become_prices(number):
    from providers._payload import price

    assert price(decoded("acme", number)) is None


# --- the cache


def test_a_second_question_is_answered_from_the_cache_with_the_time_of_the_first(settings):
    handler = answering(OK)
    with serving(handler) as url:
        first = endpoint(url, settings()).get("list", "/list")
        again = endpoint(url, settings()).get("list", "/list")
    assert len(handler.asked) == 1
    assert first.payload == again.payload
    assert first.received_at is None
    assert again.received_at is not None
    assert again.said_at(datetime(2100, 1, 1, tzinfo=UTC)) == again.received_at


def test_the_cache_can_be_switched_off(settings):
    handler = answering(OK)
    with serving(handler) as url:
        for _ in range(2):
            endpoint(url, settings(cache_s=0)).get("list", "/list")
    assert len(handler.asked) == 2


def test_half_an_answer_or_one_with_errors_is_not_cached(settings):
    handler = answering((200, b'{"a": ', {}), (200, b'{"errors": ["throttled"]}', {}), OK)
    with serving(handler) as url:
        asker = endpoint(url, settings())
        with pytest.raises(PayloadError):
            asker.post("list", "/list", {})
        assert asker.post("list", "/list", {}).payload == {"errors": ["throttled"]}
        assert asker.post("list", "/list", {}).payload == {"price": Decimal("1.30000000000000001")}


def test_an_expired_answer_stands_in_for_a_failure_and_keeps_its_time(settings):
    with serving(answering(OK, (503, b"", {}))) as url:
        asker = endpoint(url, settings(cache_s=0.001))
        before = datetime.now(UTC)
        asker.get("list", "/list")
        older = asker.get("list", "/list")
    assert older.stale
    assert before <= older.received_at <= datetime.now(UTC)


def test_answers_too_old_to_stand_in_leave_the_cache(settings):
    def kept():
        database = sqlite3.connect(settings().cache_path)
        (count,) = database.execute("select count(*) from responses").fetchone()
        database.close()
        return count

    with serving(answering(OK)) as url:
        for n in range(3):
            endpoint(url, settings(cache_s=0.001)).get("list", "/list", {"page": str(n)})
        assert kept() == 3
        time.sleep(1.1)  # the cache counts whole seconds
        endpoint(url, settings(cache_s=60, stale_s=0.0)).get("list", "/list", {"page": "3"})
        assert kept() == 1


def test_an_answer_too_old_does_not_stand_in(settings):
    with serving(answering(OK, (503, b"", {}))) as url:
        asker = endpoint(url, settings(cache_s=0.001, stale_s=0.0))
        asker.get("list", "/list")
        with pytest.raises(Unavailable):
            asker.get("list", "/list")


def test_a_withdrawn_key_is_not_hidden_by_an_older_answer(settings):
    with serving(answering(OK, (401, b"{}", {}))) as url:
        asker = endpoint(url, settings(cache_s=0.001))
        asker.get("list", "/list")
        with pytest.raises(AccessDenied):
            asker.get("list", "/list")


def test_a_stale_answer_shows_in_the_result_of_the_adapter(environ_for):
    with replaying("lambda", "throttled-then-ok", NOW.timestamp()) as (url, replay):
        replay.answers.reverse()
        environ = environ_for("lambda", url, ADVISOR_HTTP_RETRIES="0", ADVISOR_HTTP_CACHE_S="0.001")
        adapter = ADAPTERS["lambda"].from_env(environ)
        later = datetime.now(UTC)
        adapter.collect(Scope(), later)
        collected = adapter.collect(Scope(), later)
    assert collected.offers
    assert [rejection.reason for rejection in collected.rejections] == ["answered_from_cache"]


def test_the_cache_files_are_for_their_owner_alone(settings):
    with serving(answering(OK)) as url:
        asker = endpoint(url, settings())
        asker.get("list", "/list")
        files = sorted(settings().cache_path.parent.iterdir())
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in files}
    assert set(modes.values()) == {0o600}
    assert {"http.sqlite", "http.sqlite-wal"} <= set(modes)


def test_nothing_in_the_cache_is_pickled(settings):
    with serving(answering(OK)) as url:
        endpoint(url, settings()).get("list", "/list")
    with sqlite3.connect(settings().cache_path) as database:
        rows = database.execute("select value from responses").fetchall()
    database.close()
    assert rows
    for (value,) in rows:
        assert isinstance(decoded("cache", value if isinstance(value, bytes) else value.encode()), dict)


def test_a_corrupt_cache_file_is_thrown_away(settings):
    path = settings().cache_path
    path.parent.mkdir()
    path.write_bytes(b"this is no database" * 100)
    with serving(answering(OK)) as url:
        assert endpoint(url, settings()).get("list", "/list").payload
    assert path.read_bytes().startswith(b"SQLite format 3")


def test_without_a_place_for_the_cache_answers_still_come(settings, tmp_path):
    (tmp_path / "file").write_text("")
    with serving(answering(OK)) as url:
        assert (
            endpoint(url, settings(cache_path=tmp_path / "file" / "http.sqlite")).get("list", "/list").payload
        )


class FullDisk(sqlite3.Connection):
    """A disk that takes no write, from the first or from the second on."""

    left = 0

    def execute(self, sql, *more):
        if sql.startswith("BEGIN"):
            if FullDisk.left <= 0:
                raise sqlite3.OperationalError("database or disk is full")
            FullDisk.left -= 1
        return super().execute(sql, *more)


@pytest.mark.parametrize("writes", [0, 1, 3, 5, 6])
def test_a_full_disk_under_the_cache_costs_the_cache_and_not_the_answer(settings, monkeypatch, writes):
    monkeypatch.setattr(FullDisk, "left", writes)
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *a, **k: connect(*a, **{**k, "factory": FullDisk}))
    with serving(answering(OK)) as url:
        started = time.monotonic()
        assert endpoint(url, settings()).get("list", "/list").payload
        assert time.monotonic() - started < 10


# --- bounds


def test_an_answer_beyond_the_size_limit_is_refused(settings):
    with (
        serving(answering((200, b'"' + b"x" * 5000 + b'"', {}))) as url,
        pytest.raises(PayloadError, match=r"4000 bytes.*ADVISOR_HTTP_MAX_BYTES"),
    ):
        endpoint(url, settings(max_bytes=4000)).get("list", "/list")


def test_the_size_limit_counts_the_unpacked_answer(settings):
    bomb = gzip.compress(b"0" * 10_000_000)
    with (
        serving(answering((200, bomb, {"Content-Encoding": "gzip"}))) as url,
        pytest.raises(PayloadError, match="more than 100000 bytes"),
    ):
        endpoint(url, settings(max_bytes=100_000)).get("list", "/list")


def test_an_answer_that_breaks_off_is_a_payload_error(settings):
    with (
        serving(answering((200, b'{"a": 1}', {"Content-Length": "500"}))) as url,
        pytest.raises(PayloadError, match="broke off"),
    ):
        endpoint(url, settings()).get("list", "/list")


def test_nobody_listening_is_unavailable(settings):
    with serving(answering(OK)) as url:
        pass
    with pytest.raises(Unavailable, match="acme: list"):
        endpoint(url, settings()).get("list", "/list")


def test_a_long_retry_after_is_honoured_only_for_a_minute():
    from urllib3.response import HTTPResponse

    from providers._session import PatientRetry

    asked = {"3600": 60.0, "7": 7.0, "gibberish": None}
    for header, waits in asked.items():
        assert PatientRetry(3).get_retry_after(HTTPResponse(headers={"Retry-After": header})) == waits


# --- redirects and certificates


@pytest.fixture
def authority(tmp_path, monkeypatch):
    """A certificate authority of our own that requests is told to trust, and a server context it signed."""
    ca = trustme.CA()
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    return context


def test_a_redirect_to_another_host_loses_every_credential(settings, authority):
    elsewhere = answering(OK)
    keys = {"X-API-KEY": TOKEN, "x-goog-api-key": TOKEN, "X-Auth-Token": TOKEN}
    with serving(elsewhere, authority) as other:
        first = answering((302, b"", {"Location": f"{other}/taken"}))
        with serving(first, authority) as url:
            endpoint(url, settings(), keys).get("list", "/list")
    assert TOKEN in str(first.asked)
    assert len(elsewhere.asked) == 1
    assert TOKEN not in str(elsewhere.asked)


def test_a_redirect_within_the_host_keeps_them(settings):
    handler = answering((302, b"", {"Location": "/moved"}), OK)
    with serving(handler) as url:
        endpoint(url, settings()).get("list", "/list")
    assert [TOKEN in asked["Authorization"] for asked in handler.asked] == [True, True]


def test_a_redirect_out_of_https_is_refused(settings, authority):
    with (
        serving(answering(OK)) as plain,
        serving(answering((302, b"", {"Location": f"{plain}/taken"})), authority) as url,
        pytest.raises(PayloadError, match="not https"),
    ):
        endpoint(url, settings()).get("list", "/list")


def test_an_unverified_certificate_is_refused(settings, authority, monkeypatch):
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    with serving(answering(OK), authority) as url, pytest.raises(Unavailable, match="certificate"):
        endpoint(url, settings()).get("list", "/list")


def test_a_netrc_file_is_not_read(settings, tmp_path, monkeypatch):
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password hunter2\n")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    handler = answering(OK)
    with serving(handler) as url:
        Endpoint("acme", url, settings()).get("list", "/list")
    assert "Authorization" not in handler.asked[0]


def test_a_proxy_is_not_asked_for_loopback(settings, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with serving(answering(OK)) as url:
        assert endpoint(url, settings()).get("list", "/list").payload


def test_cookies_are_neither_sent_back_nor_stored(settings):
    handler = answering((200, b'{"a": 1}', {"Set-Cookie": "id=tasty-cookie"}))
    with serving(handler) as url:
        asker = endpoint(url, settings(cache_s=0.001))
        for _ in range(2):
            asker.get("list", "/list")
        written = b"".join(path.read_bytes() for path in settings().cache_path.parent.iterdir())
    assert all("Cookie" not in asked for asked in handler.asked)
    assert b"tasty-cookie" not in written


# --- secrets


@pytest.mark.parametrize(
    "header", ["Authorization", "X-API-KEY", "x-api-key", "X-Goog-Api-Key", "x-goog-api-key"]
)
def test_a_key_in_any_usual_header_stays_off_the_disk(settings, header):
    with serving(answering(OK)) as url:
        asker = Endpoint("acme", url, settings(), {header: TOKEN})
        asker.get("list", "/list", {"key": TOKEN, "api_key": TOKEN, "access_token": TOKEN})
        written = b"".join(path.read_bytes() for path in settings().cache_path.parent.iterdir())
    assert b"/list" in written
    assert TOKEN.encode() not in written


def test_an_answer_that_repeats_the_key_is_thrown_away(settings):
    with serving(answering((200, f'{{"you_sent": "{TOKEN}"}}'.encode(), {}))) as url:
        asker = endpoint(url, settings())
        with pytest.raises(PayloadError, match="repeats the credential") as refusal:
            asker.get("list", "/list")
        written = b"".join(path.read_bytes() for path in settings().cache_path.parent.iterdir())
    assert TOKEN not in str(refusal.value)
    assert TOKEN.encode() not in written


@pytest.mark.parametrize("provider", sorted(set(ADAPTERS) - {"sheet"}))  # a sheet sends nothing
@pytest.mark.parametrize(
    "scenario", ["typical", "access-denied", "server-error", "truncated-json", "throttled-then-ok"]
)
def test_no_byte_written_holds_the_key(provider, scenario, environ_for, tmp_path, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    said = ""
    with replaying(provider, scenario, NOW.timestamp()) as (url, _):
        adapter = ADAPTERS[provider].from_env(environ_for(provider, url))
        try:
            said += repr(adapter.collect(Scope(), NOW)) + repr(adapter) + repr(vars(adapter))
        except AdvisorError:
            said += traceback.format_exc()
        written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    output = capfd.readouterr()
    assert caplog.text
    for text in (said, caplog.text, output.out, output.err):
        assert TOKEN not in text
    assert TOKEN.encode() not in written
    assert b"tasty-cookie" not in written
