"""The same plan has the same id; another plan has another."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from plan_builder import a_plan_document

from advisor.errors import PlanRefused
from advisor.plan.identity import EDITED, VOLATILE, identified, is_edited, plan_id
from advisor.plan.plan import Plan
from advisor.plan.read import read_plan, stated_plan

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.fast


def the_id(document: dict[str, Any]) -> str:
    return plan_id(Plan.model_validate(document))


def test_an_id_is_twelve_hex_digits(document: dict[str, Any]) -> None:
    assert re.fullmatch("[0-9a-f]{12}", the_id(document))


def test_an_edited_plan_is_told_by_its_id_and_goes_on_only_without_its_proof(
    document: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(document))
    assert read_plan(path).plan_id == document["plan_id"]
    document["purchase"][0]["instances"] = 50
    path.write_text(json.dumps(document))
    with pytest.raises(PlanRefused, match="edited after it was made: proof void"):
        read_plan(path)
    assert stated_plan(path).plan_id == document["plan_id"]
    plan = read_plan(path, edited=True)
    assert not is_edited(plan)
    assert plan.plan_id != document["plan_id"]
    assert plan.status == "feasible"
    assert plan.optimality is not None
    assert (plan.optimality.proved, plan.optimality.lower_bound_usd_per_hour) == (False, 0.0)
    assert EDITED in plan.warnings


def test_a_field_that_came_later_plays_no_part_in_the_id_of_a_plan_before_it(
    document: dict[str, Any],
) -> None:
    """A file made before there were side costs of baselines: its id is the digest of what it has."""
    for baseline in document["baselines"]:
        del baseline["side_usd_per_hour"]
    without = {key: value for key, value in document.items() if key not in VOLATILE}
    told = {key: without_volatile(value) for key, value in without.items()}
    text = json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    document["plan_id"] = hashlib.sha256(text.encode()).hexdigest()[:12]
    assert not is_edited(Plan.model_validate(document))
    document["rules"] = [{"kind": "budget", "text": "a cap"}]
    assert is_edited(Plan.model_validate(document))


def without_volatile(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_volatile(item) for key, item in value.items() if key not in VOLATILE}
    return [without_volatile(item) for item in value] if isinstance(value, list) else value


def test_a_plan_of_another_version_may_have_been_made_by_it(document: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(document | {"advisor_version": "0.0.1", "usd_per_hour": "1"}))
    with pytest.raises(PlanRefused, match=r"was made by another version, 0\.0\.1, .*makes it anew"):
        read_plan(path)


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
