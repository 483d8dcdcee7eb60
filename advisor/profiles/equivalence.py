"""Which precisions and which models are alike enough for the figures of one to stand for the other."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from advisor.domain import Model

SIXTEEN_BIT = frozenset({"bf16", "fp16"})
_FOUR_BIT_FLOAT = frozenset({"fp4", "nvfp4", "mxfp4"})


def precision_class(precision: str) -> str:
    """The name under which figures may stand for each other: fp16 and bf16 cost the same on 16-bit units.

    A model is published in one 4-bit float format at most, so ``mxfp4`` and ``nvfp4`` are both ``fp4``.
    """
    folded = precision.casefold()
    if folded in SIXTEEN_BIT:
        return "16-bit"
    return "fp4" if folded in _FOUR_BIT_FLOAT else folded


@lru_cache(maxsize=256)
def shape_key(model: Model) -> str:
    """Equal for models whose memory and arithmetic are equal, e.g. Llama-3-8B and Llama-3.1-8B."""
    fields = (
        model.params_b, model.active_params_b, model.layers, model.hidden, model.heads, model.kv_heads,
        model.head_dim, model.vocab, model.experts, model.experts_per_token, model.moe_ffn,
        model.shared_experts, model.dense_layers, model.attention, model.kv_bytes_per_token_fp16,
        model.sliding_window,
    )  # fmt: skip
    return "/".join(
        "" if value is None else f"{value:g}" if isinstance(value, float) else str(value) for value in fields
    )
