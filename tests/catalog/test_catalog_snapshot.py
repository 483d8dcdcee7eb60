"""Snapshots: what is written comes back, and nothing else is ever taken for prices."""

from __future__ import annotations

import hashlib
import tempfile
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from catalog_builders import NOON, an_offer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from advisor.catalog.evidence import evidence_path, read_evidence
from advisor.catalog.snapshot import COLUMNS, read_created_at, read_snapshot
from advisor.catalog.snapshot_writing import write_snapshot
from advisor.domain import LISTED_MARKETS, Availability, Market, Offer
from advisor.errors import CorruptSnapshot, DataError

TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)
FLAG = st.text(st.characters(codec="utf-8", exclude_characters=";"), min_size=1, max_size=8)
ITEMS = {hashlib.sha256(item).hexdigest(): item for item in (b"{}", b'{"sku":"\xc3\xa9"}')}
OFFERS = st.builds(
    Offer,
    provider=TEXT,
    region=TEXT,
    zone=st.none() | TEXT,
    instance_type=TEXT,
    market=st.sampled_from(LISTED_MARKETS),
    usd_per_hour=st.decimals(min_value="0.00000001", max_value="9999999999", places=8),
    accelerator=TEXT,
    accelerators=st.decimals(min_value="0.000001", max_value="999", places=6),
    vcpus=st.none() | st.integers(1, 2**31 - 1),
    memory_gib=st.none() | st.floats(0, 1e9, exclude_min=True, allow_subnormal=False),
    availability=st.sampled_from(Availability),
    availability_basis=st.text(st.characters(codec="utf-8"), max_size=12),
    price_basis=st.text(st.characters(codec="utf-8"), max_size=12),
    collected_at=st.datetimes(datetime(1990, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    source=TEXT,
    licence=st.none() | TEXT,
    interruption=st.none() | st.text(st.characters(codec="utf-8"), max_size=5),
    flags=st.sets(FLAG, max_size=3).map(lambda flags: tuple(sorted(flags))),
    evidence=st.none() | st.sampled_from(sorted(ITEMS)),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(OFFERS, max_size=6, unique_by=lambda offer: offer.id))
def test_save_then_load_is_identity(offers: list[Offer]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = write_snapshot(offers, Path(folder), NOON, "títle 'quoted'", ITEMS)
        snapshot = read_snapshot(path)
        said = {digest for digest in (offer.evidence for offer in offers) if digest}
        assert evidence_path(path).exists() == bool(said)
        if snapshot.evidence_sha256:
            items = read_evidence(evidence_path(path), snapshot.evidence_sha256, ITEMS)
            assert items == {digest: ITEMS[digest] for digest in said}
    assert sorted(snapshot.offers, key=repr_of) == sorted(offers, key=repr_of)
    assert (snapshot.title, snapshot.info.created_at) == ("títle 'quoted'", NOON)


def repr_of(offer: Offer) -> str:
    return offer.id


def some_offers() -> list[Offer]:
    return [an_offer(instance_type=f"t{number}", usd_per_hour=f"{number}.25") for number in range(1, 40)]


def test_the_name_tells_the_day_and_the_bytes(tmp_path: Path) -> None:
    path = write_snapshot(some_offers(), tmp_path, NOON, "")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert path == tmp_path / f"2026-11-01-{digest[:12]}.parquet"
    assert read_snapshot(path).info.snapshot_id == f"2026-11-01-{digest[:12]}"


def test_the_day_is_the_day_in_utc(tmp_path: Path) -> None:
    late = datetime.fromisoformat("2026-11-01T23:30:00-05:00")
    path = write_snapshot(some_offers(), tmp_path, late, "")
    assert path.name.startswith("2026-11-02-")
    assert read_created_at(path) == late


def test_the_same_offers_in_any_order_are_the_same_bytes(tmp_path: Path) -> None:
    first = write_snapshot(some_offers(), tmp_path / "a", NOON, "t")
    second = write_snapshot(reversed(some_offers()), tmp_path / "b", NOON, "t")
    assert first.name == second.name
    assert first.read_bytes() == second.read_bytes()


def test_rows_are_ordered_with_regional_prices_before_zones(tmp_path: Path) -> None:
    offers = [
        an_offer(zone="a", market=Market.SPOT),
        an_offer(),
        an_offer(market=Market.SPOT),
        an_offer(region="eu-1", zone="z"),
    ]
    found = read_snapshot(write_snapshot(offers, tmp_path, NOON, "")).offers
    assert [(offer.region, offer.zone, offer.market.value) for offer in found] == [
        ("eu-1", "z", "on_demand"),
        ("us-east-1", None, "on_demand"),
        ("us-east-1", None, "spot"),
        ("us-east-1", "a", "spot"),
    ]


def test_publishing_leaves_nothing_but_the_snapshot(tmp_path: Path) -> None:
    path = write_snapshot(some_offers(), tmp_path, NOON, "")
    assert list(tmp_path.iterdir()) == [path]


def test_money_keeps_every_digit(tmp_path: Path) -> None:
    path = write_snapshot([an_offer(usd_per_hour="0.10000001")], tmp_path, NOON, "")
    assert read_snapshot(path).offers[0].usd_per_hour == Decimal("0.10000001")


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"usd_per_hour": "0.123456789"}, "usd_per_hour"),
        ({"usd_per_hour": "99999999999"}, "not published"),
        ({"accelerators": "0.3333333"}, "accelerators"),
        ({"vcpus": 2**31}, "not published"),
        ({"vcpus": 0}, "vcpus"),
        ({"memory_gib": float("nan")}, "memory_gib"),
        ({"source": ""}, "source"),
        ({"flags": ("a;b",)}, "flags"),
        ({"source": "\ud800"}, "not published"),
    ],
)
def test_what_the_file_cannot_hold_exactly_is_not_published(
    tmp_path: Path, given: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(DataError, match=complaint):
        write_snapshot([an_offer(**given)], tmp_path, NOON, "")
    assert list(tmp_path.iterdir()) == []


def test_two_live_prices_for_one_thing_are_not_published(tmp_path: Path) -> None:
    twins = [an_offer(usd_per_hour="0.178"), an_offer(usd_per_hour="0.086")]
    with pytest.raises(DataError, match=r"two live offers are called aws:us-east-1:p5\.4xlarge:on_demand"):
        write_snapshot(twins, tmp_path, NOON, "")


def test_a_superseded_price_may_stand_beside_the_live_one(tmp_path: Path) -> None:
    older = an_offer(usd_per_hour="0.178", flags=("superseded",), collected_at=NOON - timedelta(days=90))
    path = write_snapshot([an_offer(), older], tmp_path, NOON, "")
    assert len(read_snapshot(path).offers) == 2


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"cannot publish a snapshot in .*file"):
        write_snapshot(some_offers(), tmp_path / "file", NOON, "")


def test_a_snapshot_cut_anywhere_is_refused_by_name(tmp_path: Path) -> None:
    path = write_snapshot(some_offers(), tmp_path, NOON, "")
    content = path.read_bytes()
    for twentieths in range(20):
        path.write_bytes(content[: len(content) * twentieths // 20])
        with pytest.raises(CorruptSnapshot, match=rf"{path.name}: truncated or altered"):
            read_snapshot(path)


def named_by_its_bytes(path: Path, day: str = "2026-11-01") -> Path:
    """The file under the name its bytes deserve, so that only its content can be refused."""
    return path.rename(path.with_name(f"{day}-{hashlib.sha256(path.read_bytes()).hexdigest()[:12]}.parquet"))


@pytest.mark.parametrize(
    "content", [b"", b"PAR1", b"not parquet at all" * 50, b"PAR1" + bytes(200) + b"PAR1"]
)
def test_garbage_under_a_true_name_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    path = named_by_its_bytes(tmp_path / "x")
    with pytest.raises(CorruptSnapshot, match=rf"{path.name}: not a readable Parquet file"):
        read_snapshot(path)


@pytest.mark.parametrize("name", ["prices.parquet", "2026-11-01.parquet", "2026-11-01-0123456789ab.csv"])
def test_a_file_that_is_not_named_like_a_snapshot_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(CorruptSnapshot, match="not named like a snapshot"):
        read_snapshot(tmp_path / name)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorruptSnapshot, match="cannot be read"):
        read_snapshot(tmp_path / "2026-11-01-0123456789ab.parquet")


def altered(
    folder: Path, changes: str, *, version: str = "3", created_at: str = "2026-11-01T12:00:00+00:00"
) -> Path:
    """A sound snapshot, then a SELECT over it, under a true name."""
    source = write_snapshot(some_offers(), folder, NOON, "")
    target = folder / "altered"
    metadata = f"{{schema_version: '{version}', created_at: '{created_at}'}}"
    with duckdb.connect() as connection:
        connection.execute(
            f"COPY (SELECT {changes} FROM read_parquet('{source}')) "  # noqa: S608 the test's own words
            f"TO '{target}' (FORMAT parquet, KV_METADATA {metadata})"
        )
    source.unlink()
    return named_by_its_bytes(target)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ("* EXCLUDE (source)", "wrong columns: expected source VARCHAR"),
        ("*, 1 AS extra", "wrong columns: unexpected extra"),
        (
            "* REPLACE (usd_per_hour::DOUBLE AS usd_per_hour)",
            r"wrong columns: expected usd_per_hour DECIMAL\(18,8\)",
        ),
        (
            "* REPLACE (epoch_us(collected_at) AS collected_at)",
            "expected collected_at TIMESTAMP WITH TIME ZONE",
        ),
    ],
)
def test_other_columns_are_refused(tmp_path: Path, changes: str, complaint: str) -> None:
    with pytest.raises(CorruptSnapshot, match=complaint):
        read_snapshot(altered(tmp_path, changes))


AT_T7 = "if(instance_type = 't7', {bad}, {name})::{kind} AS {name}"


@pytest.mark.parametrize(
    ("name", "bad", "complaint"),
    [
        ("usd_per_hour", "0", "a positive price"),
        ("usd_per_hour", "-1", "a positive price"),
        ("usd_per_hour", "NULL", "a positive price"),
        ("accelerators", "0", "a positive number"),
        ("market", "'reserved'", "one of on_demand, spot"),
        ("availability", "'maybe'", "one of available"),
        ("provider", "NULL", "text"),
        ("source", "''", "text"),
        ("vcpus", "0", "at least 1, or blank"),
        ("memory_gib", "'nan'::DOUBLE", "a positive number, or blank"),
        ("collected_at", "NULL", "a time"),
        ("collected_at", "'infinity'::TIMESTAMPTZ", "a time"),
        ("price_basis", "NULL", "text"),
        ("flags", "NULL", "text"),
        ("evidence", "'abc'", "64 hex digits, or blank"),
    ],
)
def test_one_bad_row_is_named_by_row_field_and_value(
    tmp_path: Path, name: str, bad: str, complaint: str
) -> None:
    changes = "* REPLACE (" + AT_T7.format(bad=bad, name=name, kind=COLUMNS[name]) + ")"
    path = altered(tmp_path, changes)
    # Rows are ordered by instance type as text: t1, t10 … t19, t2, t20 … t29, t3, t30 … t39, t4, t5, t6, t7.
    with pytest.raises(CorruptSnapshot, match=rf"{path.name}: row 37: {name} .*{complaint}"):
        read_snapshot(path)


def test_a_snapshot_of_another_schema_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorruptSnapshot, match="schema_version is '4', this release reads"):
        read_snapshot(altered(tmp_path, "*", version="4"))


def test_a_snapshot_of_the_first_schema_is_read_without_evidence(tmp_path: Path) -> None:
    snapshot = read_snapshot(altered(tmp_path, "* EXCLUDE (evidence, max_instances)", version="1"))
    assert (len(snapshot.offers), snapshot.evidence_sha256) == (39, None)
    assert {offer.evidence for offer in snapshot.offers} == {None}


def test_the_first_schema_has_no_column_for_evidence(tmp_path: Path) -> None:
    with pytest.raises(CorruptSnapshot, match="wrong columns: unexpected evidence"):
        read_snapshot(altered(tmp_path, "* EXCLUDE (max_instances)", version="1"))


def test_a_snapshot_of_the_second_schema_tells_no_stock(tmp_path: Path) -> None:
    snapshot = read_snapshot(altered(tmp_path, "* EXCLUDE (max_instances)", version="2"))
    assert {offer.max_instances for offer in snapshot.offers} == {None}


def test_stock_comes_back_as_it_was_written(tmp_path: Path) -> None:
    offers = [an_offer(max_instances=7), an_offer(region="us-east-2")]
    snapshot = read_snapshot(write_snapshot(offers, tmp_path, NOON, ""))
    assert sorted(offer.max_instances or 0 for offer in snapshot.offers) == [0, 7]


@pytest.mark.parametrize(
    ("created_at", "complaint"),
    [
        ("yesterday", "not a time"),
        ("2026-11-01T12:00:00", "without a time zone"),
        ("2026-10-31T12:00:00+00:00", "another day than its created_at"),
    ],
)
def test_the_time_it_was_made_must_fit_its_name(tmp_path: Path, created_at: str, complaint: str) -> None:
    with pytest.raises(CorruptSnapshot, match=complaint):
        read_snapshot(altered(tmp_path, "*", created_at=created_at))


def test_a_path_with_pattern_characters_is_just_a_path(tmp_path: Path) -> None:
    path = write_snapshot(some_offers(), tmp_path / "we[i]rd * 'folder'?", NOON, "")
    assert read_snapshot(path).info.offers == 39
