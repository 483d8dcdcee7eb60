"""Whole replicas in whole instances, against every way to put them."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from advisor.plan.verify.packing import SEARCHED_INSTANCES, instances_needed

pytestmark = pytest.mark.fast


@pytest.mark.parametrize(
    ("replicas", "accelerators", "needed"),
    [
        ({}, 8, 0),
        ({1: 8}, 8, 1),
        ({1: 9}, 8, 2),
        ({4: 3}, 8, 2),
        ({4: 1, 2: 1, 1: 2}, 8, 1),
        ({4: 1, 2: 2, 1: 1}, 8, 2),
        ({2: 2}, 3, 2),  # a degree that does not divide the instance idles the rest
        ({2: 2, 1: 2}, 3, 2),
        ({2: 1, 1: 2}, 3, 2),
        ({4: 2, 2: 2}, 6, 2),
        ({4: 2, 2: 3}, 6, 3),
        ({8: 1}, 4, None),
        ({3: 2, 2: 1}, 8, 1),  # degrees that do not divide each other: 3 + 3 + 2
        ({3: 2, 2: 2}, 5, 2),  # 3 + 2 twice, though apart they would take three
        ({1: 10**12}, 8, 125_000_000_000),
    ],
)
def test_fewest_instances(replicas: dict[int, int], accelerators: int, needed: int | None) -> None:
    assert instances_needed(replicas, accelerators) == needed


@cache
def brute_force(rooms: tuple[int, ...], replicas: tuple[int, ...]) -> bool:
    """Whether the replicas fit in the rooms, by trying every room for every replica."""
    if not replicas:
        return True
    first, rest = replicas[0], replicas[1:]
    return any(
        brute_force(tuple(sorted((*rooms[:i], room - first, *rooms[i + 1 :]))), rest)
        for i, room in enumerate(rooms)
        if room >= first
    )


@settings(max_examples=150, deadline=None)
@given(
    accelerators=st.integers(1, 10),
    replicas=st.dictionaries(st.integers(1, 8), st.integers(1, 3), min_size=1, max_size=3),
)
def test_equals_trying_everything(accelerators: int, replicas: dict[int, int]) -> None:
    each = tuple(sorted((d for d, count in replicas.items() for _ in range(count)), reverse=True))
    if max(each) > accelerators:
        assert instances_needed(replicas, accelerators) is None
        return
    fewest = next(n for n in range(1, len(each) + 1) if brute_force((accelerators,) * n, each))
    assert instances_needed(replicas, accelerators) == fewest


def test_a_fleet_too_large_to_search_is_packed_degree_by_degree() -> None:
    # 2 + 3 share an instance of 5, so 100 would do; apart, 3s take 100 and 2s take 50.
    assert SEARCHED_INSTANCES < 150
    assert instances_needed({3: 100, 2: 100}, 5) == 150
