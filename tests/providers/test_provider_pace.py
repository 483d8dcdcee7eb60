"""No host is asked faster, or by more at once, than agreed; and what a failed connection is called."""

from __future__ import annotations

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from replay_cloud import QuietHandler, serving

from advisor.errors import InputFileError, Unavailable
from providers._http import Endpoint
from providers._pace import Pace, Turnstile, turnstile
from providers._settings import base_url, http_settings


class Clock:
    """A clock that moves only when somebody sleeps."""

    def __init__(self):
        self.at = 100.0
        self.slept = []

    def __call__(self):
        return self.at

    def sleep(self, seconds):
        self.slept.append(round(seconds, 6))
        self.at += seconds


def turns(gate, number):
    for _ in range(number):
        with gate.turn():
            pass


def test_after_the_burst_requests_come_at_the_rate():
    clock = Clock()
    gate = Turnstile(Pace(per_s=5), clock, clock.sleep)
    turns(gate, 10)  # two seconds' worth at once
    assert clock.slept == []
    turns(gate, 5)
    assert clock.slept == [0.2] * 5


def test_a_host_left_alone_takes_a_burst_again_but_never_more():
    clock = Clock()
    gate = Turnstile(Pace(per_s=5), clock, clock.sleep)
    turns(gate, 10)
    clock.at += 3600
    turns(gate, 10)
    assert clock.slept == []
    turns(gate, 1)
    assert clock.slept == [0.2]


def test_waiting_threads_queue_up_and_do_not_all_wait_for_the_same_token():
    clock = Clock()
    waits = []
    gate = Turnstile(Pace(per_s=1, at_once=9), clock, waits.append)  # nobody moves the clock
    turns(gate, 5)
    assert waits == [1, 2, 3]


def test_no_limit_is_no_wait():
    clock = Clock()
    turns(Turnstile(Pace(per_s=0), clock, clock.sleep), 1000)
    assert clock.slept == []


def test_a_host_has_one_turnstile_whoever_asks():
    assert turnstile("Prices.Example:443", Pace()) is turnstile("prices.example:443", Pace())
    assert turnstile("a.example", Pace()) is not turnstile("b.example", Pace())


def environ(tmp_path, **more):
    return {
        "ADVISOR_HTTP_CACHE": str(tmp_path / "http.sqlite"),
        "ADVISOR_HTTP_RETRIES": "0",
        "ADVISOR_HTTP_CACHE_S": "0",
        **more,
    }


@pytest.mark.parametrize(("at_once", "more"), [(2, {"ADVISOR_HTTP_AT_ONCE": "2"}), (8, {})])
def test_no_more_requests_than_agreed_are_under_way_at_one_host(tmp_path, at_once, more):
    lock = threading.Lock()
    busy, most = 0, 0

    class Handler(QuietHandler):
        def do_GET(self):  # noqa: N802
            nonlocal busy, most
            with lock:
                busy += 1
                most = max(most, busy)
            time.sleep(0.03)
            with lock:
                busy -= 1
            self.send(200, b"{}")

    with serving(Handler) as url:
        settings = http_settings(environ(tmp_path, **more))
        endpoints = [Endpoint("acme", url, settings) for _ in range(2)]
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(lambda number: endpoints[number % 2].get("page", f"/{number}"), range(24)))
    assert 1 < most <= at_once


def test_the_rate_of_the_environment_holds_over_the_wire_and_not_for_answers_from_the_cache(tmp_path):
    class Handler(QuietHandler):
        def do_GET(self):  # noqa: N802
            self.send(200, b"{}")

    with serving(Handler) as url:
        more = {"ADVISOR_HTTP_RATE": "10", "ADVISOR_HTTP_CACHE_S": "60"}
        endpoint = Endpoint("acme", url, http_settings(environ(tmp_path, **more)))
        started = time.monotonic()
        for number in range(24):
            endpoint.get("page", f"/{number}")
        assert time.monotonic() - started >= 0.3  # 20 at once, four more at 10 a second
        started = time.monotonic()
        for number in range(24):
            endpoint.get("page", f"/{number}")
        assert time.monotonic() - started < 1.5  # under the rate these 24 would take 2.4 s


@pytest.mark.parametrize(
    ("variable", "value"),
    [("ADVISOR_HTTP_RATE", "-1"), ("ADVISOR_HTTP_RATE", "fast"), ("ADVISOR_HTTP_AT_ONCE", "0")],
)
def test_a_limit_that_is_none_is_refused(variable, value):
    with pytest.raises(InputFileError, match=variable):
        http_settings({variable: value})


def refusing_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def test_a_refused_connection_is_told_at_once_and_by_its_host_only(tmp_path):
    endpoint = Endpoint(
        "acme", f"http://127.0.0.1:{refusing_port()}", http_settings(environ(tmp_path)), {"X-API-Key": "k3y"}
    )
    with pytest.raises(Unavailable) as caught:
        endpoint.get("prices", "/v1", {"token": "s3cr3t"})
    assert str(caught.value) == "acme: prices: could not connect to 127.0.0.1; try again later"


def test_a_name_nobody_knows_is_no_time_out(tmp_path, monkeypatch):
    def unknown(*_args, **_more):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    base = base_url({"ACME": "https://prices.acme.example/v1"}, "ACME", "")
    with pytest.raises(Unavailable, match=r"prices: could not connect to prices\.acme\.example; try again"):
        Endpoint("acme", base, http_settings(environ(tmp_path))).get("prices", "/list")


def test_a_connection_that_is_cut_is_told_as_such(tmp_path):
    class Handler(QuietHandler):
        def do_GET(self):  # noqa: N802
            self.connection.shutdown(socket.SHUT_RDWR)

    with (
        serving(Handler) as url,
        pytest.raises(Unavailable, match=r"the connection to 127\.0\.0\.1 broke off"),
    ):
        Endpoint("acme", url, http_settings(environ(tmp_path))).get("prices", "/list")


@pytest.mark.parametrize("retries", ["0", "1"])
def test_silence_is_a_time_out(tmp_path, retries):
    class Handler(QuietHandler):
        def do_GET(self):  # noqa: N802
            time.sleep(0.4)

    settings = environ(
        tmp_path,
        ADVISOR_HTTP_TIMEOUT_S="0.1",
        ADVISOR_HTTP_RETRIES=retries,
        ADVISOR_HTTP_BACKOFF_S="0",
    )
    with serving(Handler) as url, pytest.raises(Unavailable, match=r"no answer within 0\.1 s"):
        Endpoint("acme", url, http_settings(settings)).get("prices", "/list")
