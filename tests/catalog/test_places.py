"""What a word for a place stands for."""

from __future__ import annotations

from dataclasses import replace

import pytest

from advisor.catalog.facts import load_facts
from advisor.catalog.places import EEA, EU, matching_places
from advisor.catalog.residency import allowed_places
from advisor.errors import UsageError

REGIONS = load_facts().regions
NOWHERE = replace(REGIONS["aws:eu-west-1"], provider="vast", id="somewhere", country=None, continent=None)


def places(word: str) -> frozenset[str]:
    return matching_places(word, (), REGIONS)


def test_there_are_27_member_states_and_3_more_in_the_eea() -> None:
    assert len(EU) == 27
    assert {"IS", "LI", "NO"} == EEA - EU


@pytest.mark.parametrize("word", ["EU", "eu", " Eu "])
def test_london_and_zurich_are_not_in_the_eu(word: str) -> None:
    found = places(word)
    assert {"aws:eu-west-1", "aws:eu-central-1", "gcp:europe-west4"} <= found
    assert not found & {"aws:eu-west-2", "aws:eu-central-2", "gcp:europe-west6", "azure:norwayeast"}
    assert "azure:norwayeast" in places("EEA")


def test_they_are_in_europe() -> None:
    assert {"aws:eu-west-2", "aws:eu-central-2", "azure:norwayeast", "aws:eu-west-1"} <= places("Europe")
    assert "aws:us-east-1" not in places("europe")


@pytest.mark.parametrize(("word", "place"), [
    ("DE", "aws:eu-central-1"), ("de", "gcp:europe-west3"),
    ("UK", "aws:eu-west-2"), ("GB", "gcp:europe-west2"),
    ("country:DE", "aws:eu-central-1"), ("continent:Europe", "aws:eu-central-2"),
    ("us-east-1", "aws:us-east-1"), ("aws:eu-*", "aws:eu-north-1"),
])  # fmt: skip
def test_codes_ids_and_patterns_stand_for_places(word: str, place: str) -> None:
    assert place in places(word)


def test_a_code_that_is_also_a_region_of_some_provider_stands_for_both() -> None:
    here = REGIONS | {"vast:SE": replace(REGIONS["aws:eu-north-1"], provider="vast", id="SE", country=None)}
    assert {"vast:SE", "aws:eu-north-1"} <= matching_places("SE", (), here)


def test_a_place_of_which_nobody_knows_where_it_is_is_neither_in_nor_certainly_out() -> None:
    known = REGIONS | {"vast:somewhere": NOWHERE}
    assert "vast:somewhere" not in matching_places("EU", (), known)
    assert "vast:somewhere" not in allowed_places(["EU"], (), known)
    assert "vast:somewhere" not in allowed_places(["!EU"], (), known)
    assert "aws:us-east-1" in allowed_places(["!EU"], (), known)


def test_a_country_tells_the_continent_where_it_is_not_stated() -> None:
    blank = replace(REGIONS["aws:eu-central-1"], id="x", continent=None)
    assert "aws:x" in matching_places("Europe", (), REGIONS | {"aws:x": blank})


@pytest.mark.parametrize("word", ["Atlantis", "country:ZZ", "continent:Moon", "zz-*"])
def test_a_word_that_means_nothing_is_refused(word: str) -> None:
    with pytest.raises(UsageError, match=r"Atlantis|ZZ|Moon|zz-\*"):
        places(word)
