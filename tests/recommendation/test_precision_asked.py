"""In which precision a model is planned: as asked, as the checkpoint named is stored, as it was released."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from recommendation_builders import ask

from advisor.api import make_request

if TYPE_CHECKING:
    from advisor.recommendation.findings import Catalog


@pytest.mark.parametrize(
    ("question", "precision", "said"),
    [
        ({"model": "gpt-oss-120b"}, "mxfp4", "as its publisher released it"),
        ({"model": "openai/gpt-oss-20b"}, "mxfp4", "as its publisher released it"),
        ({"model": "deepseek-ai/DeepSeek-R1-0528"}, "fp8", "as its publisher released it"),
        ({"model": "Kimi-K2.5"}, "int4", "as its publisher released it"),
        ({"model": "RedHatAI/Meta-Llama-3.1-8B-Instruct-FP8-dynamic"}, "fp8", "are stored"),
        ({"model": "Qwen/Qwen2.5-72B-Instruct-AWQ"}, "int4", "are stored"),
        ({"model": "gpt-oss-120b", "precision": "bf16"}, "bf16", None),
        ({"model": "RedHatAI/Meta-Llama-3.1-8B-Instruct-FP8-dynamic", "precision": "bf16"}, "bf16", None),
        ({"model": "Llama-3.1-70B"}, "bf16", None),
        ({}, "bf16", None),
    ],
)
def test_the_precision_is_asked_for_or_follows_from_the_checkpoint(
    catalog: Catalog, question: dict[str, Any], precision: str, said: str | None
) -> None:
    request = make_request(catalog.facts, **question)
    assert request.service.precision == precision
    assert [said in note for note in request.notes] == ([True] if said else [])


def test_a_plan_says_why_it_is_in_that_precision(catalog: Catalog) -> None:
    plan = ask(catalog, model="gpt-oss-120b")
    assert plan.services[0].precision == "mxfp4"
    assert "gpt-oss-120b is planned in mxfp4, as its publisher released it." in plan.assumptions


def test_every_released_precision_that_ships_is_one_that_memory_knows(catalog: Catalog) -> None:
    from advisor.profiles.memory import precision_of

    released = {m.id: m.released_precision for m in catalog.facts.models.values() if m.released_precision}
    assert {"gpt-oss-120b", "DeepSeek-V3", "Kimi-K2", "MiniMax-M2.5"} <= released.keys()
    assert all(precision_of(precision).bits < 16 for precision in released.values())
