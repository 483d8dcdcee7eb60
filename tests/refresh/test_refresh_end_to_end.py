"""`advisor refresh` from end to end: the real command, every adapter's genuine client.

The vendors stand on this machine: moto for EC2's hardware and offerings, the recorded and documented answers
of the contract suite for everything else.
"""

from __future__ import annotations

import json
import logging
import shutil
import time
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest
from loopback_clouds import ALL, SECRET, SERVED, advisor, contents, environ, everyone, loopback_clouds, start

from advisor.catalog.evidence import evidence_path, read_evidence
from advisor.catalog.snapshot import read_snapshot
from advisor.catalog.store import Store

A10 = "lambda:us-east-1:gpu_1x_a10:on_demand"
H100 = "lambda:us-east-1:gpu_8x_h100_sxm5:on_demand"
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


@pytest.fixture(scope="module")
def refreshed(standing, tmp_path_factory):
    """A home after a refresh against the fixtures alone (moto knows all of EC2, and takes its time)."""
    standing.reset()
    desk = a_desk(standing, tmp_path_factory.mktemp("refreshed"))
    code, _, err = desk.refresh("--accept", "all")
    assert code == 0, err
    return desk


@pytest.fixture
def desk(clouds, refreshed, tmp_path):
    """A copy of that home, to do with as one likes."""
    shutil.copytree(refreshed.home / "advisor", tmp_path / "advisor")
    clouds.reset()
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
    _, (code, out, err) = first
    assert code == 0, err
    told = json.loads(out)
    assert {line["provider"]: line["state"] for line in told["providers"]} == dict.fromkeys(ALL, "done")
    assert all(line["rows"] > 0 for line in told["providers"])
    snapshot = is_whole(Path(told["snapshot"]["path"]))
    fresh = [offer for offer in snapshot.offers if offer.evidence]
    natives = set(ALL) - {"gpuhunt", "sheet"}
    assert {offer.provider for offer in fresh} >= natives | {"acme"}  # acme is the sheet's
    assert len(fresh) == sum(line["new"] + line["changed"] + line["same"] for line in told["providers"])


def test_every_price_resolves_to_what_its_vendor_said(first):
    desk, _ = first
    told = json.loads(desk.run("catalog", "evidence", A10, "--format", "json")[1])
    assert told["offers"][0]["usd_per_hour"] == "1.29"
    assert told["item"]["gpu_1x_a10"]["instance_type"]["price_cents_per_hour"] == 129
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
    offers = desk.offers().values()
    assert plan["purchase"]
    for line in plan["purchase"]:
        words = (line["provider"], line["region"], line["zone"], line["instance_type"], line["market"])
        (bought,) = (o for o in offers if (o.provider, o.region, o.zone, o.instance_type, o.market) == words)
        assert Decimal(line["usd_per_hour_each"]) == bought.usd_per_hour
        assert bought.evidence


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
        ("lambda", b'"price_cents_per_hour": 3192,', b'"price_cents_per_hour": 2990,'),
        ("aws", b"55.0400000000", b"82.5600000000"),
        ("aws", b"$55.04 ", b"$82.56 "),
    )
    before = desk.offers()
    code, out, err = desk.refresh("--format", "json", providers=("aws", "azure", "lambda"))
    assert (code, err.splitlines()[-1]) == (5, "advisor: partial: the gate holds back 2 rows")
    held, other = json.loads(out)["held"]
    assert (held["offer"], held["detector"]) == (P5, "large_move")
    assert other["offer"] == P5.replace("us-east-1", "us-west-2")
    assert (held["before_usd_per_hour"], held["after_usd_per_hour"]) == ("55.04", "82.56")
    offers = desk.offers()
    assert offers[P5] == before[P5]  # the old price with its old stamp
    assert (offers[A10].usd_per_hour, offers[H100].usd_per_hour) == (Decimal("1.35"), Decimal("29.9"))

    rows = json.loads(desk.run("catalog", "diff", "--format", "json")[1])
    moves = {line["offer_id"]: (line["change"], line["usd_per_hour_change"]) for line in rows}
    assert moves == {
        **{name: ("rose", "0.06") for name in before if ":gpu_1x_a10:" in name},
        **{name: ("fell", "-2.02") for name in before if ":gpu_8x_h100_sxm5:" in name},
    }

    clouds.rewind()
    code, _, err = desk.refresh("--accept", held["id"], providers=("aws",))
    assert (code, err.splitlines()[-1]) == (5, "advisor: partial: the gate holds back 1 row")
    offers = desk.offers()
    assert offers[P5].usd_per_hour == Decimal("82.56")
    assert offers[other["offer"]] == before[other["offer"]]  # of the other region nobody said that it is true


def test_what_moved_under_a_plan_is_told_first_and_in_money(desk, clouds):
    """Nothing of a plan that did not move; a plan that is none is not spoken of."""
    plans = desk.home / "advisor" / "plans"
    plans.mkdir()
    place = ("--region", "us-east-1", "--allow-unknown-availability", "--slo-stat", "mean")
    asked = ("recommend", "--no-replay", *place, "--format", "json")
    for name, chip in (("a10", "a10-24gb"), ("p4d", "a100-sxm-40gb")):
        code, out, err = desk.run(*asked, "--accelerator", chip)
        assert code == 0, err
        (plans / f"{name}.json").write_text(out)
    (plans / "notes.json").write_text("not a plan")
    (line,) = json.loads((plans / "a10.json").read_text())["purchase"]
    clouds.said = repriced(("lambda", b'"price_cents_per_hour": 129,', b'"price_cents_per_hour": 135,'))
    _, out, _ = desk.refresh(providers=("lambda",))
    month = Decimal("0.06") * line["instances"] * 730
    told = " ".join(out.partition("Your plans")[2].split())
    assert out.index("Your plans") < out.index("Prices that moved most")
    assert told.startswith(f"a10: {line['instances']} × {A10} moved $1.29 → $1.35 /h, +${month:,.2f} a month")
    assert "no line of p4d moved" in told
    assert "notes" not in told


def test_what_the_gate_refuses_is_partial_where_it_was_published_before(desk, clouds):
    clouds.said = repriced(("lambda", b'"price_cents_per_hour": 129,', b'"price_cents_per_hour": 300000,'))
    before = desk.offers()[A10]
    assert desk.refresh("--dry-run", "--strict", providers=("lambda", "vast"))[0] == 5
    code, out, err = desk.refresh(providers=("lambda", "vast"))
    assert code == 5, out + err
    assert "Refused by the gate" in out
    assert desk.offers()[A10] == before


# --- what fails


def test_one_provider_down_is_partial_and_its_rows_keep_their_old_stamps(desk, clouds):
    before = desk.offers()
    clouds.down = {"azure"}
    code, _, err = desk.refresh(providers=("aws", "azure", "lambda"))
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
    clouds.down = set(SERVED)
    code, _, err = desk.refresh(providers=SERVED)
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
        clouds.said = repriced(("lambda", b'_per_hour": 129', b'_per_hour": ' + cents))
        with start(desk.environment, "refresh", "-p", "lambda") as running:
            while running.poll() is None:
                seen.add(is_whole(Path(desk.store.open().info.path)).info.snapshot_id)
                opened += 1
            _, err = running.communicate()
        assert running.returncode == 0, err
    seen.add(desk.store.open().info.snapshot_id)
    assert len(seen) == 5
    assert opened >= 20
