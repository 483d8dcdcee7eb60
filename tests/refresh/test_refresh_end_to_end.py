"""`advisor refresh` from end to end: the real command in a process of its own, every adapter's genuine client.

The vendors stand on this machine: moto for EC2's hardware and offerings, the recorded and documented answers
of the contract suite for everything else.
"""

from __future__ import annotations

import json
import logging
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from loopback_clouds import ALL, SECRET, advisor, contents, environ, everyone, loopback_clouds, start

from advisor.catalog.evidence import evidence_path, read_evidence
from advisor.catalog.snapshot import read_snapshot
from advisor.catalog.store import Store

A10 = "lambda:us-east-1:gpu_1x_a10:on_demand"
H100 = "lambda:us-west-3:gpu_8x_h100_sxm5:on_demand"
P5 = "aws:us-east-1:p5.48xlarge:on_demand"
SHEET = (
    "provider,instance_type,region,market,usd_per_hour,accelerator,accelerators,source\n"
    'acme,h100x8,eu-1,on_demand,17.5,h100-sxm-80gb,8,"Acme, quote 7"\n'
)


@dataclass(frozen=True)
class Desk:
    """A user: a home of their own, and the clouds they ask."""

    home: Path
    environment: dict[str, str]

    def run(self, *words):
        return advisor(self.environment, *words)

    def refresh(self, *words, providers=ALL):
        return self.run("refresh", *everyone(providers), *words)

    @property
    def store(self):
        return Store(home=self.home / "advisor", shipped=self.home / "nothing shipped")

    def offers(self):
        return {offer.id: offer for offer in self.store.open().offers}

    @property
    def folder(self):
        return self.home / "advisor" / "snapshots"


def a_desk(clouds, home):
    sheet = home / "sheet.csv"
    sheet.write_text(SHEET)
    return Desk(home, environ(clouds, home, sheet))


def is_whole(path):
    """The snapshot opens, and the vendor's item behind every price that has one is there."""
    snapshot = read_snapshot(path)
    digests = {offer.evidence for offer in snapshot.offers if offer.evidence}
    items = read_evidence(evidence_path(path), snapshot.evidence_sha256, digests)
    assert items.keys() == digests
    return snapshot


@pytest.fixture(scope="module")
def standing():
    with loopback_clouds() as clouds:
        yield clouds


@pytest.fixture
def clouds(standing):
    standing.reset()
    return standing


@pytest.fixture(scope="module")
def moto():
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="module")
def first(standing, moto, tmp_path_factory):
    """The first refresh of all, with the fixtures' few rows confirmed as the whole market."""
    standing.reset()
    standing.moto = moto
    desk = a_desk(standing, tmp_path_factory.mktemp("first"))
    ended = desk.refresh("--accept", "all", "--format", "json")
    standing.moto = None
    return desk, ended


@pytest.fixture
def desk(clouds, first, tmp_path):
    """A home that has been refreshed once, to do with as one likes."""
    shutil.copytree(first[0].home / "advisor", tmp_path / "advisor")
    clouds.rewind()
    return a_desk(clouds, tmp_path)


def repriced(*changes):
    """The vendors' answers with these bytes replaced; each must be there in some answer."""

    def said(provider, content):
        for name, old, new in changes:
            content = content.replace(old, new) if name == provider else content
        return content

    return said


# --- what the first refresh brings


def test_the_first_refresh_publishes_what_every_adapter_brought(first):
    desk, (code, out, err) = first
    assert code == 0, err
    told = json.loads(out)
    assert {line["provider"]: line["state"] for line in told["providers"]} == dict.fromkeys(ALL, "done")
    assert all(line["rows"] > 0 for line in told["providers"])
    snapshot = is_whole(Path(told["snapshot"]["path"]))
    fresh = [offer for offer in snapshot.offers if offer.evidence]
    assert {offer.provider for offer in fresh} == {*ALL, "acme"} - {"sheet"}
    assert len(fresh) == sum(line["rows"] for line in told["providers"])


def test_every_price_resolves_to_what_its_vendor_said(first):
    desk, _ = first
    item = json.loads(desk.run("catalog", "evidence", A10, "--format", "json")[1])
    assert (item["offers"][0]["usd_per_hour"], item["item"]["instance_type"]["price_cents_per_hour"]) == (
        "1.29",
        129,
    )
    code, out, _ = desk.run("catalog", "evidence", P5)
    assert code == 0
    assert "55.0400000000" in out
    assert "us-east-1" in out


def test_recommend_plans_on_what_was_refreshed(first):
    desk, _ = first
    code, out, err = desk.run("recommend", "--region", "us-east-1", "--format", "json")
    assert code == 0, err
    plan = json.loads(out)
    newest = desk.store.open().info.snapshot_id
    assert {line["snapshot_id"] for line in plan["catalog"]} == {newest}
    offers = desk.offers()
    for line in plan["purchase"]:
        words = (line["provider"], line["region"], line["instance_type"])
        bought = [o for o in offers.values() if (o.provider, o.region, o.instance_type) == words]
        assert line["usd_per_hour_each"] in {str(offer.usd_per_hour.normalize()) for offer in bought} | {
            str(offer.usd_per_hour.quantize(offer.usd_per_hour.normalize())) for offer in bought
        }
        assert any(offer.evidence for offer in bought)


def test_no_key_is_in_any_file_or_line(first):
    desk, (_, out, err) = first
    written = contents(desk.home)
    assert len(written) >= 3
    for content in (*written.values(), out.encode(), err.encode()):
        assert SECRET.encode() not in content


# --- what changes


def test_a_second_refresh_tells_what_changed_and_holds_a_large_move_until_it_is_confirmed(desk, clouds):
    clouds.said = repriced(
        ("lambda", b'"price_cents_per_hour": 129,', b'"price_cents_per_hour": 135,'),
        ("lambda", b'"price_cents_per_hour": 3192,', b'"price_cents_per_hour": 5000,'),
        ("aws", b"55.0400000000", b"52.0000000000"),
    )
    before = desk.offers()
    code, out, err = desk.refresh("--format", "json")
    told = json.loads(out)
    assert code == 5, err
    held = {finding["offer"]: finding for finding in told["held"]}
    assert {name for name in held if name.startswith("lambda:")} == {
        name for name in before if ":gpu_8x_h100_sxm5:" in name
    }
    finding = held[H100]
    assert (finding["before_usd_per_hour"], finding["after_usd_per_hour"]) == ("31.92", "50")
    offers = desk.offers()
    assert offers[H100] == before[H100]  # the old price with its old stamp
    assert (str(offers[A10].usd_per_hour), str(offers[P5].usd_per_hour)) == ("1.35000000", "52.00000000")

    diff = json.loads(desk.run("catalog", "diff", "--format", "json")[1])
    moved = {line["offer"] if "offer" in line else line["instance_type"]: line for line in diff}
    assert {line["change"] for line in moved.values()} <= {"rose", "fell"}
    assert {(line["instance_type"], line["change"]) for line in diff} >= {
        ("gpu_1x_a10", "rose"),
        ("p5.48xlarge", "fell"),
    }
    assert not any(line["instance_type"] == "gpu_8x_h100_sxm5" for line in diff)

    clouds.rewind()
    code, out, err = desk.refresh("--accept", finding["id"], providers=("lambda",))
    assert str(desk.offers()[H100].usd_per_hour) == "50.00000000"
    assert code == (0 if len({f["id"] for n, f in held.items() if n.startswith("lambda:")}) == 1 else 5)


def test_what_the_gate_refuses_is_partial_only_when_strict(desk, clouds):
    clouds.said = repriced(("lambda", b'"price_cents_per_hour": 129,', b'"price_cents_per_hour": 1,'))
    before = desk.offers()[A10]
    assert desk.refresh("--dry-run", "--strict", providers=("lambda", "vast"))[0] == 5
    code, out, err = desk.refresh(providers=("lambda", "vast"))
    assert code == 0, err
    assert "Refused by the gate" in out
    assert desk.offers()[A10] == before


# --- what fails


def test_one_provider_down_is_partial_and_its_rows_keep_their_old_stamps(desk, clouds):
    before = desk.offers()
    clouds.down = {"azure"}
    code, out, err = desk.refresh()
    assert code == 5
    assert "advisor: partial: azure: " in err
    assert "HTTP 503" in err
    after = desk.offers()
    azure = {name for name in before if name.startswith("azure:")}
    assert azure
    assert {name: after[name] for name in azure} == {name: before[name] for name in azure}
    assert all(after[name].collected_at > before[name].collected_at for name in (A10, P5))
    is_whole(Path(desk.store.open().info.path))


def test_all_down_leaves_every_byte_of_the_catalogue_as_it_was(desk, clouds):
    before = contents(desk.folder)
    clouds.down = {"aws", "azure", "gcp", "lambda", "runpod", "vast"}
    code, _, err = desk.refresh(providers=tuple(clouds.urls))
    assert code == 6
    assert "advisor: nothing published, the catalog is as it was: " in err
    assert "Traceback" not in err
    assert contents(desk.folder) == before


def test_a_dry_run_asks_and_judges_and_writes_nothing(desk, clouds):
    before = contents(desk.home / "advisor")
    code, out, err = desk.refresh("--dry-run", providers=("lambda", "runpod", "vast"))
    assert (code, err.splitlines()[-1]) == (0, "dry run: nothing was published")
    assert "Nothing published; " in out
    assert contents(desk.home / "advisor") == before


# --- others at the same time


def test_of_two_refreshes_at_once_one_is_told_or_waits(desk, clouds):
    clouds.delay_s = 1.5
    with start(desk.environment, "refresh", "-p", "lambda") as one:
        while not (desk.home / "advisor" / "refresh.lock").exists() and one.poll() is None:
            time.sleep(0.01)
        until = time.monotonic() + 20
        while time.monotonic() < until and f"{one.pid}\n" != lock_of(desk):
            time.sleep(0.01)
        code, _, err = desk.refresh(providers=("vast",))
        assert code == 6
        assert f"another refresh is running (process {one.pid}, " in err
        waited, _, err = desk.refresh("--wait-s", "30", providers=("vast",))
        assert waited == 0, err
        one.communicate(timeout=60)
    assert one.returncode == 0
    assert len(list(desk.folder.glob("*.parquet"))) == 3
    is_whole(Path(desk.store.open().info.path))


def lock_of(desk):
    path = desk.home / "advisor" / "refresh.lock"
    return path.read_text() if path.exists() else ""


def test_a_reader_never_sees_a_broken_snapshot_while_refreshes_run(desk, clouds):
    seen, opened = set(), 0
    for cents in (b"130", b"131", b"132", b"133"):
        clouds.said = repriced(("lambda", b'"price_cents_per_hour": 129', b'"price_cents_per_hour": ' + cents))
        with start(desk.environment, "refresh", "-p", "lambda") as running:
            while running.poll() is None:
                seen.add(is_whole(Path(desk.store.open().info.path)).info.snapshot_id)
                opened += 1
            _, err = running.communicate()
        assert running.returncode == 0, err
    seen.add(desk.store.open().info.snapshot_id)
    assert len(seen) == 5
    assert opened >= 20
