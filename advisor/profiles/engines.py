"""Which serving engines the estimator's constants are of, and which they are not.

Valid by coverage: of measured runs of vLLM, SGLang, TensorRT-LLM, TGI and NIM, more than nine in ten lie in
the 90 % interval. An engine measured far outside is refused by name; one nobody measured is estimated as
those, and the answer says so. Figures: benchmarks/README.md.
"""

from __future__ import annotations

from typing import Final

from advisor.text import printable

BEHIND_THE_CONSTANTS: Final = frozenset(
    {"vLLM", "SGLang", "TensorRT-LLM", "TGI", "NIM(TensorRT-LLM)", "Deepspeed-MII"}
)
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


def refusal(engine: str | None) -> str | None:
    """Why there is no estimate of an engine; None where there is, or where any engine is meant."""
    why = UNLIKE.get(_word(engine))
    return f"engine {printable(engine or '')}: not one the constants are of; {why}" if why else None


def caution(engine: str | None) -> str:
    """What has to be said of an estimate for an engine nobody measured; blank where nothing."""
    if engine is None or engine in BEHIND_THE_CONSTANTS or engine.split(" ")[0] in _UNDER_ANOTHER_NAME:
        return ""
    return f"engine {printable(engine)}: no run of it is behind the constants; estimated as vLLM and its like"


def _word(engine: str | None) -> str:
    return (engine or "").strip().casefold().partition(" ")[0]
