"""Asking all clouds at once: none sinks the others, and none is waited for longer than agreed."""

from __future__ import annotations

import threading
import time

import pytest
from refresh_builders import NOW, FakeCloud, an_offer, failed_region, failing, saying, today

from advisor.errors import AccessDenied, MissingCredentials, Unavailable
from advisor.provider import Scope
from advisor.refresh.collecting import Outcome, Patience, State, collect_all

pytestmark = pytest.mark.fast


def asked(*clouds, **more) -> dict[str, Outcome]:
    providers = {cloud.name: cloud for cloud in clouds}
    return {outcome.provider: outcome for outcome in collect_all(providers, Scope(), NOW, **more)}


def test_each_cloud_has_an_outcome_whatever_became_of_it():
    found = asked(
        saying(today()),
        saying(today(provider="half"), rejections=[failed_region("r2", provider="half")]),
        failing(AccessDenied("shut: access denied (HTTP 403)"), "shut"),
        failing(MissingCredentials("keyed: set KEYED_API_KEY"), "keyed"),
    )
    assert {name: outcome.state for name, outcome in found.items()} == {
        "acme": State.DONE,
        "half": State.PARTIAL,
        "shut": State.FAILED,
        "keyed": State.NOT_SET_UP,
    }
    assert found["half"].why == "no full answer for r2: HTTP 503"
    assert found["shut"].why == "access denied (HTTP 403)"


def test_an_error_in_place_of_a_cloud_is_its_outcome():
    (outcome,) = collect_all({"acme": MissingCredentials("acme: set a key")}, Scope(), NOW)
    assert (outcome.state, outcome.why, outcome.collected) == (State.NOT_SET_UP, "set a key", None)


def test_a_bug_of_an_adapter_is_told_by_kind_and_place_and_never_by_its_words():
    found = asked(failing(KeyError("https://host/?key=s3cr3t")), saying(today(provider="other")))
    assert found["other"].state is State.DONE
    assert "broke off with KeyError at refresh_builders.py:" in found["acme"].why
    assert "s3cr3t" not in found["acme"].why


def test_a_cloud_that_hangs_is_left_behind_and_its_place_is_given_to_the_next():
    released = threading.Event()

    def hang(region):
        released.wait(30)
        return [an_offer()]

    started = time.monotonic()
    found = asked(
        FakeCloud("a-hanging", hang),
        saying(today(provider="b")),
        saying(today(provider="c")),
        patience=Patience(max_workers=1, timeout_s=0.2),
    )
    released.set()
    assert time.monotonic() - started < 5
    assert {name: outcome.state for name, outcome in found.items()} == {
        "a-hanging": State.FAILED,
        "b": State.DONE,
        "c": State.DONE,
    }
    assert "not done within 0.2 s" in found["a-hanging"].why


@pytest.mark.parametrize("workers", [1, 3])
def test_no_more_clouds_than_agreed_are_asked_at_once(workers):
    lock = threading.Lock()
    now_busy, most = 0, 0

    def count(region):
        nonlocal now_busy, most
        with lock:
            now_busy += 1
            most = max(most, now_busy)
        time.sleep(0.02)
        with lock:
            now_busy -= 1
        return []

    clouds = [FakeCloud(f"c{number}", count) for number in range(7)]
    assert len(asked(*clouds, patience=Patience(max_workers=workers))) == 7
    assert most == workers


def test_the_listener_hears_every_start_and_every_end_in_the_callers_thread():
    heard: list[tuple[str, str, threading.Thread]] = []

    class Listener:
        def started(self, provider):
            heard.append(("started", provider, threading.current_thread()))

        def finished(self, outcome):
            heard.append((outcome.state.value, outcome.provider, threading.current_thread()))

    clouds = {
        "acme": saying(today()),
        "down": failing(Unavailable("x"), "down"),
        "no": MissingCredentials("y"),
    }
    collect_all(clouds, Scope(), NOW, listener=Listener())
    assert {thread for _, _, thread in heard} == {threading.current_thread()}
    ends = {("done", "acme"), ("failed", "down"), ("not set up", "no")}
    assert {words[:2] for words in heard} == {("started", "acme"), ("started", "down")} | ends
