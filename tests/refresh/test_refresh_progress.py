"""How far a refresh is: told by adapters that care to, shown on a terminal, and kept out of a log."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
from refresh_builders import NOW, FakeCloud, saying, today

from advisor.cli.refresh_progress import listening
from advisor.provider import Scope, reporter
from advisor.refresh.collecting import Patience, Progress, Silent, State, collect_all


class Heard(Silent):
    """A listener that writes down what it hears of progress, and in which thread."""

    def __init__(self):
        self.progress: dict[str, list[Progress]] = {}
        self.threads: set[threading.Thread] = set()

    def progressed(self, provider, progress):
        self.progress.setdefault(provider, []).append(progress)
        self.threads.add(threading.current_thread())


@dataclass
class Talkative(FakeCloud):
    """Asks its regions in threads of its own and tells of each."""

    def collect(self, scope, now):
        tell = reporter()
        tell(of=len(self.regions))
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(lambda region: tell(regions=1, rows=10, retries=1), self.regions))
        return super().collect(scope, now)


def test_what_an_adapter_tells_is_added_up_and_heard_in_the_callers_thread():
    heard = Heard()
    collect_all({"acme": Talkative("acme", regions=("r1", "r2", "r3"))}, Scope(), NOW, listener=heard)
    told = heard.progress["acme"]
    assert told[0] == Progress(of=3)
    assert told[-1] == Progress(regions=3, of=3, rows=30, retries=3)
    assert [step.regions for step in told] == [0, 1, 2, 3]
    assert heard.threads == {threading.current_thread()}


def test_two_adapters_do_not_hear_each_other():
    heard = Heard()
    clouds = {name: Talkative(name, regions=("r",) * number) for name, number in (("a", 2), ("b", 5))}
    collect_all(clouds, Scope(), NOW, listener=heard)
    assert heard.progress["a"][-1].regions == 2
    assert heard.progress["b"][-1].regions == 5


def test_an_adapter_that_tells_nothing_works_as_ever():
    heard = Heard()
    (outcome,) = collect_all({"acme": saying(today())}, Scope(), NOW, listener=heard)
    assert outcome.state is State.DONE
    assert heard.progress == {}


def test_outside_a_refresh_telling_does_nothing():
    reporter()(regions=1, rows=1, retries=1, of=1)


def test_one_that_tells_without_end_is_late_all_the_same():
    over = threading.Event()

    @dataclass
    class Endless(FakeCloud):
        def collect(self, scope, now):
            tell = reporter()
            while not over.wait(0.001):
                tell(rows=1)
            return super().collect(scope, now)

    started = time.monotonic()
    (outcome,) = collect_all({"acme": Endless()}, Scope(), NOW, patience=Patience(timeout_s=0.2))
    over.set()
    assert outcome.state is State.FAILED
    assert time.monotonic() - started < 2


def test_a_log_has_two_lines_a_provider_whatever_it_tells(capsys):
    cloud = Talkative("acme", regions=tuple(f"r{n}" for n in range(50)))
    with listening(["acme"]) as listener:
        collect_all({"acme": cloud}, Scope(), NOW, listener=listener)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert lines[0].endswith("Z acme: asking")
    assert "acme: done, 50 regions, 0 rows, 2 retries" in lines[1]


SHOWS = """
import time
from advisor.cli.refresh_progress import listening
from advisor.refresh.collecting import Outcome, Progress, State
with listening(["acme", "other"]) as listener:
    listener.started("acme")
    listener.progressed("acme", Progress(regions=3, of=30, rows=1234, retries=1))
    time.sleep(0.3)
    listener.progressed("acme", Progress(regions=1, rows=1, retries=0))
    time.sleep(0.3)
    listener.finished(Outcome("acme", State.FAILED, None, "HTTP 503", 1.0))
"""


@pytest.mark.skipif(os.name != "posix", reason="a terminal is a thing of POSIX")
def test_a_terminal_shows_regions_rows_and_retries_while_it_runs():
    seen = on_a_terminal([sys.executable, "-W", "error", "-c", SHOWS])
    assert "asking, 3 of 30 regions, 1,234 rows, 1 retry" in seen
    assert "asking, 1 region, 1 row, 0 retries" in seen
    assert "waiting" in seen
    assert "failed: HTTP 503" in seen


def on_a_terminal(command):
    """What a terminal of 120 columns is sent."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": "120", "TERM": "xterm"}
    pipes = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
    with subprocess.Popen(command, env=environment, **pipes) as process:
        os.close(theirs)
        seen = b""
        while True:
            ready, _, _ = select.select([ours], [], [], 20)
            try:
                piece = os.read(ours, 65536) if ready else b""
            except OSError:  # Linux: the other side is closed
                piece = b""
            if not piece:
                break
            seen += piece
        process.wait(timeout=20)
    os.close(ours)
    return seen.decode()
