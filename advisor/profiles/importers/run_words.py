"""How tools write what ran, in the advisor's words; None where a word does not decide it."""

from __future__ import annotations

import re
from typing import Final

ENGINES: Final = {
    "vllm": "vLLM",
    "sglang": "SGLang",
    "trt": "TensorRT-LLM",
    "trtllm": "TensorRT-LLM",
    "tensorrt-llm": "TensorRT-LLM",
    "lmdeploy": "LMDeploy",
    "tgi": "TGI",
    "atom": "ATOM",
}

_PRECISIONS: Final = {
    **dict.fromkeys(("fp8", "w8a8_fp8", "fbgemm_fp8", "modelopt_fp8", "fp8_block_scales"), "fp8"),
    **dict.fromkeys(("fp8_per_channel_per_token", "ptpc_fp8"), "fp8"),
    **dict.fromkeys(("fp4", "nvfp4", "modelopt_fp4", "petit_nvfp4", "nvfp4_awq"), "fp4"),
    **dict.fromkeys(("mxfp4", "w4a16_mxfp4", "w4a8_mxfp4_fp8", "w4a8_mxfp4_mxfp8"), "mxfp4"),
    **dict.fromkeys(("awq", "awq_marlin", "w4a16", "w4a16_awq", "w4a8_awq", "int4"), "int4"),
    **dict.fromkeys(("int8", "w8a8_int8", "w8a16", "w8a8_sq_per_channel"), "int8"),
}
_DTYPES: Final = {"bfloat16": "bf16", "bf16": "bf16", "float16": "fp16", "half": "fp16", "fp16": "fp16"}
_KV: Final = {"bfloat16": "fp16", "float16": "fp16", "fp8_e4m3": "fp8", "fp8_e5m2": "fp8", "fp8": "fp8",
              "int8": "int8"}  # fmt: skip
_TAG: Final = re.compile(r":v?(\d+\.\d+[0-9a-z.]*)")


def engine_of(word: str | None) -> str | None:
    """``sglang-oai-chat`` is SGLang; a word nobody knows stays as it is."""
    text = (word or "").strip()
    return ENGINES.get(text.casefold()) or ENGINES.get(re.split(r"[-_]", text.casefold())[0]) or text or None


def precision_of(word: str | None) -> str | None:
    """Of a quantization; ``gptq`` and ``modelopt`` are of several widths."""
    return _PRECISIONS.get((word or "").casefold())


def precision_of_type(word: str | None) -> str | None:
    """Of a data type; only where the tool says of an unquantized checkpoint that it is."""
    return _DTYPES.get((word or "").casefold())


def kv_precision_of(word: str | None) -> str | None:
    """Of the KV cache; ``auto`` decides nothing."""
    return _KV.get((word or "").casefold())


def version_of_image(image: str | None) -> str | None:
    """The version in a container image's tag."""
    found = _TAG.search(image or "")
    return found[1] if found else None


def engine_within(text: str | None) -> str | None:
    """The engine that a longer name holds, such as that of an image; None where it holds none."""
    words = re.split(r"[^a-z0-9]+", (text or "").casefold())
    return next((ENGINES[word] for word in words if word in ENGINES), None)
