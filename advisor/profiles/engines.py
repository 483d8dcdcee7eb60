"""Serving engines: how people write them, how old they are, and which the estimator's constants are of.

Engines of 2024 spend more time around each step than today's: the same chip and model differ by 1.4 times
between vLLM of early 2024 and of 2026.

Valid by coverage: of measured runs of vLLM, SGLang, TensorRT-LLM, TGI and NIM, more than nine in ten lie in
the 90 % interval. An engine measured far outside is refused by name; one nobody measured is estimated as
those, and the answer says so. Figures: benchmarks/README.md.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from advisor.text import printable

ANY: Final = "any"
"""As people ask for every engine's figures."""

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
_ALIASES: Final = {"tensorrt-llm+triton": "TensorRT-LLM", "trtllm": "TensorRT-LLM"}
_KNOWN: Final = {name.casefold(): name for name in (*FIRST_OF_2025, *_OTHERS)} | _ALIASES
_NUMBERS: Final = re.compile(r"\s*v?(\d+)\.(\d+)")
_YEAR: Final = re.compile(r"\s*(20\d\d)(?!\d)")

BEHIND_THE_CONSTANTS: Final = frozenset({*FIRST_OF_2025, *_OTHERS})
"""Deepspeed-MII by a factor and an interval of its own."""

_UNDER_ANOTHER_NAME: Final = ("TensorRT",)
"""As MLPerf's submissions call TensorRT-LLM."""

_LLAMA_CPP: Final = "a request alone takes 2.8 times as long as estimated, more on several GPUs (140 runs)"
_NO_BATCHING: Final = "it does not batch continuously, and nothing measured is behind it"
UNLIKE: Final = {
    "llama.cpp": _LLAMA_CPP, "llama-cpp": _LLAMA_CPP, "llamacpp": _LLAMA_CPP, "llama-cpp-python": _LLAMA_CPP,
    "ollama": f"it runs llama.cpp: {_LLAMA_CPP}", "llamafile": f"it runs llama.cpp: {_LLAMA_CPP}",
    "koboldcpp": f"it runs llama.cpp: {_LLAMA_CPP}",
    "deepsparse": "a request takes 2.3 times as long as estimated (2 runs)",
    "transformers": _NO_BATCHING, "huggingface": _NO_BATCHING, "hf": _NO_BATCHING,
}  # fmt: skip
"""Engines the constants are known not to fit, and why; by the first word of their name."""


@dataclass(frozen=True, slots=True)
class Engine:
    """What serves, and how old it is."""

    name: str | None = None  #: as this product spells it; None: whichever
    era: str = TODAY  #: :data:`OLD` or :data:`TODAY`

    @classmethod
    def named(cls, text: str | None, version: str | None = None, date: str | None = None) -> Engine:
        """As people write it: ``vllm v0.6.2``, ``any``; a name that is not known stays as it is."""
        name, written = name_and_version(text)
        if (name or ANY).casefold() == ANY:
            name = None
        return cls(name, era_of(name, version or written, date))

    def __str__(self) -> str:
        return self.name or ANY

    @property
    def refusal(self) -> str | None:
        """Why there is no estimate of it; None where there is, or where any engine is meant."""
        why = UNLIKE.get((self.name or "").casefold().partition(" ")[0])
        named = printable(self.name or "")
        return f"engine {named}: not one the constants are of; {why}" if why else None

    @property
    def caution(self) -> str:
        """What has to be said of an estimate for an engine nobody measured; blank where nothing."""
        if self.name is None or self.name in BEHIND_THE_CONSTANTS:
            return ""
        if self.name.split(" ")[0] in _UNDER_ANOTHER_NAME:
            return ""
        named = printable(self.name)
        return f"engine {named}: no run of it is behind the constants; estimated as vLLM and its like"

    def kv_precision(self, precision: str) -> str:
        """Of the KV cache, where nobody says: 8-bit in TensorRT-LLM's 8- and 4-bit recipes, else 16-bit.

        Source: NVIDIA/TensorRT-LLM docs/source/performance/perf-overview.md, whose tables say so.
        """
        return "fp8" if precision in ("fp8", "fp4") and self.name == "TensorRT-LLM" else "fp16"


WHICHEVER: Final = Engine()
"""Today's, whoever made it."""


def era_of(engine: str | None, version: str | None, date: str | None) -> str:
    """``2024`` or, where nothing says so, ``2025``: by version, else by the date of the run."""
    first, numbers = FIRST_OF_2025.get(engine or ""), _NUMBERS.match(version or "")
    if first is not None and numbers is not None:
        return OLD if (int(numbers[1]), int(numbers[2])) < first else TODAY
    year = _YEAR.match(date or "")
    return OLD if year is not None and int(year[1]) < int(TODAY) else TODAY


def name_and_version(text: str | None) -> tuple[str | None, str | None]:
    """The engine's name as this product spells it and the version written into it, if any."""
    whole = (text or "").strip()
    word, _, rest = whole.partition(" ")
    name = _KNOWN.get(word.casefold())
    if name is None:
        return whole or None, None
    return name, rest.strip().lstrip("v") or None
