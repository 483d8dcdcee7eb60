"""The same plan has the same id; another plan has another."""

from __future__ import annotations

import re
from typing import Any

import pytest
from plan_builder import a_plan_document

from advisor.plan.identity import identified, plan_id
from advisor.plan.plan import Plan

pytestmark = pytest.mark.fast


def the_id(document: dict[str, Any]) -> str:
    return plan_id(Plan.model_validate(document))


def test_an_id_is_twelve_hex_digits(document: dict[str, Any]) -> None:
    assert re.fullmatch("[0-9a-f]{12}", the_id(document))


@pytest.mark.parametrize("field", ["created_at", "command", "advisor_version", "plan_id"])
def test_when_and_by_what_it_was_made_is_no_part_of_the_plan(document: dict[str, Any], field: str) -> None:
    value = "2027-01-01T00:00:00Z" if field == "created_at" else "other"
    assert the_id(document | {field: value}) == the_id(document)


def test_solving_slower_or_reading_later_is_the_same_plan(document: dict[str, Any]) -> None:
    later = a_plan_document()
    later["optimality"]["solve_seconds"] = 9.0
    later["catalog"][0]["age_hours"] = 99.0
    assert the_id(later) == the_id(document)


def test_a_price_written_with_more_zeros_is_the_same_plan(document: dict[str, Any]) -> None:
    same = a_plan_document()
    same["purchase"][0]["usd_per_hour_each"] = "4.012500"
    assert the_id(same) == the_id(document)


def test_a_price_a_count_or_a_sentence_makes_another_plan(document: dict[str, Any]) -> None:
    dearer, larger, franker = a_plan_document(), a_plan_document(), a_plan_document()
    dearer["purchase"][0]["usd_per_hour_each"] = "4.0126"
    larger["purchase"][0]["instances"] = 3
    franker["assumptions"].append("Prices exclude tax.")
    assert len({the_id(plan) for plan in (document, dearer, larger, franker)}) == 4


def test_stamping_a_plan_changes_its_id_and_nothing_else(document: dict[str, Any]) -> None:
    blank = Plan.model_validate(document | {"plan_id": ""})
    assert identified(blank).model_dump(mode="json") == document | {"plan_id": the_id(document)}
