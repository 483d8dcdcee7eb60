"""What an engine's name, version and date say of its age and of its habits."""

from __future__ import annotations

import pytest

from advisor.profiles.engines import WHICHEVER, Engine, name_and_version

pytestmark = pytest.mark.fast


@pytest.mark.parametrize(
    ("engine", "version", "date", "era"),
    [
        ("vLLM", "0.6.6", None, "2024"),
        ("vLLM", "v0.7.0", None, "2025"),
        ("vLLM", "0.12.0", "2024-01-01", "2025"),  # the version knows better than the date
        ("TensorRT-LLM", "0.10.0", None, "2024"),
        ("TensorRT-LLM", "1.2.0rc6.post2", None, "2025"),
        ("vLLM", "nightly-5b8c30d", "2026-04-03", "2025"),
        ("vLLM", None, "2024", "2024"),
        ("vllm v0.6.2", None, None, "2024"),  # written into the name
        ("NIM(TensorRT-LLM)", "1.0.0", "2024-06", "2024"),
        (None, None, None, "2025"),
    ],
)
def test_by_version_else_by_date_else_today(engine, version, date, era):
    assert Engine.named(engine, version, date).era == era


@pytest.mark.parametrize(
    ("text", "name", "version"),
    [
        ("vllm", "vLLM", None),
        ("vLLM v0.6.2", "vLLM", "0.6.2"),
        ("tensorrt-llm+triton", "TensorRT-LLM", None),
        ("Acme Serve 3", "Acme Serve 3", None),
        ("", None, None),
        (None, None, None),
    ],
)
def test_a_name_as_people_write_it(text, name, version):
    assert name_and_version(text) == (name, version)


def test_any_engine_is_none_in_particular():
    assert Engine.named("Any") == Engine.named("") == Engine.named(None) == WHICHEVER
    assert str(WHICHEVER) == "any"


def test_only_narrow_tensorrt_llm_recipes_keep_a_narrow_cache():
    assert Engine("TensorRT-LLM").kv_precision("fp8") == "fp8"
    assert Engine("vLLM").kv_precision("fp8") == Engine("TensorRT-LLM").kv_precision("bf16") == "fp16"
