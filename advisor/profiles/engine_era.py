"""How old a serving engine is: engines of 2024 spend more time around each step than today's.

The same chip and model differ by 1.4 times between vLLM of early 2024 and of 2026.
"""

from __future__ import annotations

import re
from typing import Final

OLD: Final = "2024"
TODAY: Final = "2025"
"""From 2025 on."""

FIRST_OF_2025: Final[dict[str, tuple[int, int]]] = {
    "vLLM": (0, 7),
    "TensorRT-LLM": (0, 17),
    "SGLang": (0, 4),
    "TGI": (3, 0),
}
"""First release, as (major, minor), that belongs to today's. vLLM 0.7.0 and TensorRT-LLM 0.17 are of January
2025; SGLang 0.4 and TGI 3.0, of December 2024, brought the scheduler each has kept. Source: release pages of
the projects' repositories."""

_OTHERS: Final = ("NIM(TensorRT-LLM)", "Deepspeed-MII")  # told by date alone
_NUMBERS: Final = re.compile(r"\s*v?(\d+)\.(\d+)")
_YEAR: Final = re.compile(r"\s*(20\d\d)(?!\d)")


def era_of(engine: str | None, version: str | None, date: str | None) -> str:
    """``2024`` or, where nothing says so, ``2025``: by version, else by the date of the run."""
    first, numbers = FIRST_OF_2025.get(engine or ""), _NUMBERS.match(version or "")
    if first is not None and numbers is not None:
        return OLD if (int(numbers[1]), int(numbers[2])) < first else TODAY
    year = _YEAR.match(date or "")
    return OLD if year is not None and int(year[1]) < int(TODAY) else TODAY


def engine_named(text: str | None) -> tuple[str | None, str | None]:
    """The engine's name as this product spells it and the version written into it, if any.

    ``vllm v0.6.2`` is vLLM 0.6.2. A name that is not known stays as it is.
    """
    word, _, rest = (text or "").strip().partition(" ")
    known = {name.casefold(): name for name in (*FIRST_OF_2025, *_OTHERS)}
    known["tensorrt-llm+triton"] = "TensorRT-LLM"
    name = known.get(word.casefold())
    if name is None:
        return ((text or "").strip() or None), None
    return name, rest.strip().lstrip("v") or None


def unstated_kv_precision(precision: str, engine: str | None) -> str:
    """Of the KV cache, where nobody says: 8-bit in TensorRT-LLM's 8- and 4-bit recipes, else 16-bit.

    Source: NVIDIA/TensorRT-LLM docs/source/performance/perf-overview.md, whose tables say so.
    """
    return "fp8" if precision in ("fp8", "fp4") and engine == "TensorRT-LLM" else "fp16"
