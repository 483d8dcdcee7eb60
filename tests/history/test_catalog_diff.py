"""What changed between two snapshots."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from history_builders import a_snapshot, an_offer, publish
from hypothesis import given, settings
from hypothesis import strategies as st

from advisor.catalog.diff import diff, path_before
from advisor.catalog.snapshot import read_snapshot
from advisor.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from advisor.catalog.snapshot import Snapshot

regions = st.sampled_from(["a", "b", "c", "d", "e", "f"])
prices = st.decimals("0.01", "100", places=2)
snapshots = st.dictionaries(regions, prices, max_size=6).map(
    lambda found: a_snapshot([an_offer(str(usd), region=region) for region, usd in found.items()])
)


def test_every_offer_is_in_one_of_five_and_the_costliest_move_comes_first() -> None:
    old = a_snapshot([an_offer(usd, region=place) for place, usd in
                      (("a", "10"), ("b", "1"), ("c", "2"), ("d", "5"), ("e", "7"))])  # fmt: skip
    new = a_snapshot([an_offer(usd, region=place) for place, usd in
                      (("a", "11"), ("b", "2"), ("c", "1.5"), ("e", "7"), ("f", "3"))])  # fmt: skip
    found = diff(old, new)
    # both rose by $1; 100 % weighs more than 10 %
    assert [(change.new.region, change.usd_per_hour, change.percent) for change in found.rose] == [
        ("b", Decimal(1), Decimal(100)),
        ("a", Decimal(1), Decimal(10)),
    ]
    assert [(change.new.region, change.percent) for change in found.fell] == [("c", Decimal(-25))]
    assert [offer.region for offer in found.appeared] == ["f"]
    assert [offer.region for offer in found.vanished] == ["d"]
    assert (found.unchanged, found.changed) == (1, 5)


def test_small_moves_can_be_left_out_and_count_as_unchanged() -> None:
    old, new = a_snapshot([an_offer("100")]), a_snapshot([an_offer("104.99")])
    assert diff(old, new, min_percent=Decimal(5)).unchanged == 1
    assert len(diff(old, a_snapshot([an_offer("105")]), min_percent=Decimal(5)).rose) == 1


def test_superseded_offers_are_nobodys_price() -> None:
    old = a_snapshot([an_offer("1"), an_offer("9", flags=("superseded",))])
    assert diff(old, a_snapshot([an_offer("1")])).changed == 0


@settings(deadline=None)
@given(snapshot=snapshots)
def test_a_snapshot_does_not_differ_from_itself(snapshot: Snapshot) -> None:
    found = diff(snapshot, snapshot)
    assert found.changed == 0
    assert found.unchanged == len(snapshot.offers)


@settings(deadline=None)
@given(one=snapshots, other=snapshots)
def test_there_and_back_are_mirror_images(one: Snapshot, other: Snapshot) -> None:
    there, back = diff(one, other), diff(other, one)
    assert there.appeared == back.vanished
    assert there.vanished == back.appeared
    assert {(move.offer_id, move.usd_per_hour) for move in there.rose} == {
        (move.offer_id, -move.usd_per_hour) for move in back.fell
    }
    assert there.unchanged == back.unchanged
    assert there.unchanged + there.changed == len({o.id for o in (*one.offers, *other.offers)})


def test_the_one_before_is_the_newest_made_earlier(tmp_path: Path) -> None:
    days = ("2026-11-01", "2026-11-08", "2026-11-15")
    first, second, third = (publish(tmp_path, day, an_offer(day=day)) for day in days)
    paths = (third, second, first)
    assert path_before(read_snapshot(third), paths) == second
    assert path_before(read_snapshot(second), paths) == first
    with pytest.raises(UsageError, match="no snapshot before"):
        path_before(read_snapshot(first), paths)
