"""The catalog that ships reads, and its parts fit together."""

from __future__ import annotations

import fnmatch

import pytest

from advisor.catalog.facts import Facts, load_facts
from advisor.catalog.quota import draws_for, pool_region
from advisor.catalog.selection import Criteria, select
from advisor.catalog.snapshot import Snapshot, read_snapshot
from advisor.catalog.store import Store, shipped_folder
from advisor.domain import EXCLUSION_REASONS


@pytest.fixture(scope="module")
def facts() -> Facts:
    return load_facts()


@pytest.fixture(scope="module")
def prices(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    return Store(home=tmp_path_factory.mktemp("home"), shipped=shipped_folder()).open()


def test_every_shipped_snapshot_is_sound() -> None:
    for path in shipped_folder().glob("*.parquet"):
        assert read_snapshot(path).offers


def test_every_offer_names_a_known_accelerator_and_region(facts: Facts, prices: Snapshot) -> None:
    assert {offer.accelerator for offer in prices.offers} <= set(facts.accelerators)
    assert {f"{offer.provider}:{offer.region}" for offer in prices.offers} <= set(facts.regions)


def test_every_alias_leads_to_its_accelerator(facts: Facts) -> None:
    for chip in facts.accelerators.values():
        for alias in (chip.id, chip.name, *chip.aliases):
            assert chip in facts.accelerators_matching(alias), alias


def test_every_spelling_of_a_model_leads_to_it(facts: Facts) -> None:
    for model in facts.models.values():
        for name in (model.id, model.id.upper(), model.hf_id):
            assert facts.model(name) is model, name


def test_no_alias_stands_for_two_models(facts: Facts) -> None:
    for model in facts.models.values():
        for alias in model.aliases:
            assert facts.model(alias) is model, alias


@pytest.mark.parametrize("pattern", ["H100", "A100-80GB", "L4", "A10G"])
def test_a_family_is_one_kind_of_chip(facts: Facts, pattern: str) -> None:
    stem = pattern.casefold().partition("-")[0]
    assert all(fnmatch.fnmatch(chip.id, f"{stem}-*") for chip in facts.accelerators_matching(pattern))


def test_us_east_1_is_two_clouds_and_near_it_are_more(facts: Facts, prices: Snapshot) -> None:
    here = select(prices.offers, facts, Criteria(regions=("us-east-1",)))
    near = select(prices.offers, facts, Criteria(near=("us-east-1",)))
    assert {offer.provider for offer in here.offers} == {"aws", "lambda"}
    assert {"aws", "azure", "gcp", "lambda"} <= {offer.provider for offer in near.offers}
    assert set(here.offers) <= set(near.offers)


def test_every_draw_names_a_pool_of_the_facts_in_a_known_place(facts: Facts, prices: Snapshot) -> None:
    pools = {(pool.provider, pool.pool): pool for pool in facts.quota_pools}
    for offer in prices.offers:
        for draw in draws_for(offer, facts.quota_pools):
            assert draw.region == pool_region(pools[draw.provider, draw.pool], offer.region)
            assert draw.units_per_instance > 0


def test_flags_that_exclude_have_words(prices: Snapshot) -> None:
    excluding = {"superseded", "retired", "not_offered", "not_sold_this_way", "fractional_gpu", "local_zone"}
    assert excluding <= set(EXCLUSION_REASONS)
    assert excluding <= {flag for offer in prices.offers for flag in offer.flags}
