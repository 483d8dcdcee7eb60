"""How each engine is started: its image, its command and how it takes a key.

Flags: vLLM's "vllm serve", SGLang's "Server Arguments", TensorRT-LLM's "trtllm-serve" reference, as of 2026.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

HOST: Final = "0.0.0.0"  # noqa: S104 (in a container, a pod or a private network; an open port asks for a key)


@dataclass(frozen=True, slots=True)
class Start:
    """One engine process: the replica that was planned, as a command needs it."""

    model: str  #: repository of the weights
    served_name: str
    version: str  #: of the engine
    port: int
    tensor_parallel: int
    copies: int  #: data-parallel ranks behind the one port
    precision: str  #: of the weights in memory
    stored: str  #: of the checkpoint
    kv_precision: str
    context_tokens: int | None  #: None: the model's own
    max_sequences: int | None  #: in one replica's batch; None is not known
    chunk_tokens: int | None  #: one step processes; None is not known


@dataclass(frozen=True, slots=True)
class EngineKind:
    """What differs between engines."""

    image: str  #: with ``{version}``
    package: str  #: as pip has it, with ``{version}``
    newest: str  #: the newest version the shipped evidence names: where a profile names none
    image_gb: int  #: room allowed for the unpacked image
    makes: Mapping[str, tuple[str, ...]]  #: by precision, what makes it of 16-bit weights
    words: Callable[[Start], list[str]]
    key_words: tuple[str, ...]  #: before the key that callers must show; empty: it can ask for none
    data_parallel: bool  #: whether several copies run behind one port


def _vllm(start: Start) -> list[str]:
    words = ["vllm", "serve", start.model, "--served-model-name", start.served_name]
    words += ["--host", HOST, "--port", str(start.port), "--tensor-parallel-size", str(start.tensor_parallel)]
    words += ["--data-parallel-size", str(start.copies)] if start.copies > 1 else []
    words += _precision(start, VLLM)
    words += ["--kv-cache-dtype", _kv(start)]
    words += _stated("--max-model-len", start.context_tokens)
    words += _stated("--max-num-seqs", start.max_sequences)
    return words + _stated("--max-num-batched-tokens", _chunk(start))


def _sglang(start: Start) -> list[str]:
    words = ["python3", "-m", "sglang.launch_server", "--model-path", start.model]
    words += ["--served-model-name", start.served_name, "--host", HOST, "--port", str(start.port)]
    words += ["--tp-size", str(start.tensor_parallel)]
    words += ["--dp-size", str(start.copies)] if start.copies > 1 else []
    words += _precision(start, SGLANG)
    words += ["--kv-cache-dtype", "fp8_e4m3" if _kv(start) == "fp8" else "auto"]
    words += _stated("--context-length", start.context_tokens)
    sequences = start.max_sequences and start.max_sequences * start.copies  # of all ranks together
    words += _stated("--max-running-requests", sequences)
    return words + _stated("--chunked-prefill-size", start.chunk_tokens)


def _tensorrt(start: Start) -> list[str]:
    words = ["trtllm-serve", start.model, "--host", HOST, "--port", str(start.port)]
    words += ["--served_model_name", start.served_name] if _names(start.version) else []
    words += ["--tp_size", str(start.tensor_parallel)]
    words += _stated("--max_seq_len", start.context_tokens)
    words += _stated("--max_batch_size", start.max_sequences)
    return words + _stated("--max_num_tokens", _chunk(start))


def _precision(start: Start, kind: EngineKind) -> tuple[str, ...]:
    """Nothing where the checkpoint is stored so."""
    if start.stored == start.precision and start.precision not in ("bf16", "fp16"):
        return ()
    return kind.makes.get(start.precision, ())


def _kv(start: Start) -> str:
    return "fp8" if start.kv_precision == "fp8" else "auto"


def _chunk(start: Start) -> int | None:
    """A step takes no fewer tokens than it has sequences."""
    return start.chunk_tokens and max(start.chunk_tokens, start.max_sequences or 0)


def _stated(flag: str, value: int | None) -> list[str]:
    return [] if value is None else [flag, str(value)]


def _names(version: str) -> bool:
    """Whether that TensorRT-LLM serves under another name than its repository's: from 1.2 on."""
    found = re.match(r"(\d+)\.(\d+)", version)
    return found is not None and (int(found[1]), int(found[2])) >= (1, 2)


_SIXTEEN_BITS: Final = {"bf16": ("--dtype", "bfloat16"), "fp16": ("--dtype", "float16")}
_MADE: Final = _SIXTEEN_BITS | {"fp8": ("--quantization", "fp8")}
_KEY: Final = ("--api-key",)

VLLM: Final = EngineKind(
    "vllm/vllm-openai:v{version}", "vllm=={version}", "0.24.0", 30, _MADE, _vllm, _KEY, data_parallel=True
)
SGLANG: Final = EngineKind(
    "lmsysorg/sglang:v{version}", "sglang=={version}", "0.5.9", 40, _MADE, _sglang, _KEY, data_parallel=True
)
TENSORRT_LLM: Final = EngineKind(
    "nvcr.io/nvidia/tensorrt-llm/release:{version}", "tensorrt-llm=={version}", "1.2.0rc6.post3", 60, {},
    _tensorrt, (), data_parallel=False,
)  # fmt: skip
ENGINES: Final = {"vLLM": VLLM, "SGLang": SGLANG, "TensorRT-LLM": TENSORRT_LLM}
"""Those a plan may name that are started here. ``image_gb``: vLLM's image takes 29 GB unpacked; the others'
rooms are allowances, generous on purpose."""


def with_key(words: Sequence[str], kind: EngineKind, key: str) -> list[str]:
    """The command that serves only who shows the key, where the engine can ask for one."""
    return [*words, *kind.key_words, key] if kind.key_words else list(words)
