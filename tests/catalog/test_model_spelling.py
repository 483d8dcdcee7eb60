"""A model is known by its repositories: tuned, dated, quantised, in whatever dashes."""

from __future__ import annotations

import pytest

from advisor.catalog.facts import load_facts
from advisor.catalog.model_spelling import spellings, stated_precision
from advisor.errors import UnknownName
from advisor.profiles.equivalence import shape_key

pytestmark = pytest.mark.fast

FACTS = load_facts()


@pytest.mark.parametrize(
    ("spelling", "model", "precision"),
    [
        ("meta-llama/Llama-3.1-8B-Instruct", "Llama-3.1-8B", None),
        ("RedHatAI/Meta-Llama-3.1-8B-Instruct-quantized.w4a16", "Llama-3.1-8B", "int4"),
        ("neuralmagic/Meta-Llama-3.1-8B-Instruct-FP8-dynamic", "Llama-3.1-8B", "fp8"),
        ("hugging-quants/Meta-Llama-3.1-8B-Instruct-AWQ-INT4", "Llama-3.1-8B", "int4"),
        ("nvidia/DeepSeek-R1-0528-NVFP4", "DeepSeek-R1", "fp4"),
        ("Qwen/Qwen3-235B-A22B-Instruct-2507-FP8", "Qwen3-235B-A22B", "fp8"),
        ("TheBloke/Llama-2-7B-Chat-GPTQ", "Llama-2-7B", "int4"),
        ("amd/Llama-3.1-70B-Instruct-FP8-KV", "Llama-3.1-70B", "fp8"),
        ("Llama 3.1 8B", "Llama-3.1-8B", None),
        ("llama3-8b", "Llama-3-8B", None),
        ("deepseek-ai/DeepSeek-R1-Distill-Llama-70B", "Llama-3.3-70B", None),
        ("moonshotai/Kimi-K2-Instruct-0905", "Kimi-K2", None),
    ],
)
def test_a_repository_name_is_its_model_and_may_state_a_precision(spelling, model, precision):
    assert (FACTS.model(spelling).id, stated_precision(spelling)) == (model, precision)


@pytest.mark.parametrize("spelling", ["mistralai/Mistral-7B-v0.1", "facebook/opt-1.3b", "Llama-3.1", "-FP8"])
def test_a_version_or_size_is_never_taken_for_another(spelling):
    with pytest.raises(UnknownName):
        FACTS.model(spelling)


def test_no_spelling_means_models_of_two_shapes():
    meant: dict[str, set[str]] = {}
    for model in FACTS.models.values():
        for name in (model.id, model.hf_id, model.hf_id.rpartition("/")[2], *model.aliases):
            for spelling in spellings(name):
                meant.setdefault(spelling, set()).add(shape_key(model))
    assert {spelling for spelling, shapes in meant.items() if len(shapes) > 1} == set()
