"""Publishes snapshots until it is stopped: run by the tests as a process of its own, to be killed.

publishing_child.py HOME forever           publish after publish, a line when the first begins and after each
publishing_child.py HOME at NUMBER         die by SIGKILL at the NUMBER-th step that touches a file
publishing_child.py HOME limited BYTES     no file may grow beyond BYTES, as on a disk that is full
publishing_child.py HOME hold              hold the refresh lock until standard input ends
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from datetime import timedelta
from pathlib import Path

import duckdb
from refresh_builders import NOW, an_offer, open_gate, saying, today

from advisor.catalog.snapshot import read_snapshot
from advisor.catalog.store import Store
from advisor.errors import AdvisorError
from advisor.provider import Scope
from advisor.refresh.publishing import last_snapshot, publish, refresh_lock
from advisor.refresh.refresh import refresh

TOUCHES = ("open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "shutil.rmtree", "tempfile.mkdtemp")


def publish_once(home: Path, number: int) -> Path:
    """A whole refresh of a fake cloud: prices that moved, with the items they rest on, and kept rows."""
    now = NOW + timedelta(days=number)
    rows = [
        today(instance_type=f"t{kind}", usd_per_hour=f"{number + kind + 1}.25", collected_at=now)
        for kind in range(60)
    ]
    with refresh_lock(home):
        previous, _ = last_snapshot(Store(home, home / "shipped"), now)
        if previous is None:
            kept = saying(an_offer(provider="kept"))
            first = refresh({"kept": kept}, Scope(), None, NOW, gate=open_gate)
            previous = read_snapshot(publish(first, home)[0])
        result = refresh({"acme": saying(*rows)}, Scope(), previous, now, gate=open_gate)
        return publish(result, home)[0]


def die_at(number: int, home: Path) -> None:
    """Have the kernel kill this process at the step of that number under its home."""
    left = number

    def count(event: str, args: tuple[object, ...]) -> None:
        nonlocal left
        if event in TOUCHES and any(str(home) in str(arg) for arg in args):
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)


def main() -> int:
    home, task, *rest = Path(sys.argv[1]), *sys.argv[2:]
    duckdb.connect().close()  # loaded before the clock runs
    if task == "hold":
        with refresh_lock(home):
            print("held", flush=True)  # noqa: T201
            sys.stdin.read()
        return 0
    first = 1 + len(list((home / "snapshots").glob("*.parquet"))) if home.exists() else 1
    if task == "at":
        die_at(int(rest[0]), home)
    if task == "limited":
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(rest[0]), int(rest[0])))
    print("ready", flush=True)  # noqa: T201
    try:
        number = first
        while task == "forever" or number == first:
            publish_once(home, number)
            print("published", flush=True)  # noqa: T201
            number += 1
    except AdvisorError as error:
        print(f"advisor: {error}", file=sys.stderr)  # noqa: T201
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
