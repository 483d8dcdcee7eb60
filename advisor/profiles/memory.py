"""Does a model fit, and how many tokens of context fit beside it: arithmetic, no fitting.

======================  ===========================================================================
weights                 parameters × bytes per parameter (``PRECISIONS``); see :func:`weight_bytes`
usable                  tensor_parallel × (memory × ``UTILISATION`` − ``RESERVE_GIB``)
KV cache                usable − weights; a token takes ``kv_bytes_per_token`` split over the
                        accelerators as far as key/value heads can be split, replicated beyond
======================  ===========================================================================

A sliding window is not credited: every layer is charged for the full context, so the figure is a floor.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from advisor.errors import UnknownName
from advisor.units import BYTES_PER_GIB

if TYPE_CHECKING:
    from advisor.domain import Accelerator, Model

UTILISATION: Final = 0.92
"""Share of memory an engine claims: 0.923 when fitted on saturated NVIDIA runs of dense models;
vLLM's ``gpu_memory_utilization`` is 0.9 by default."""

RESERVE_GIB: Final = 2.0
"""Per accelerator, for activations, CUDA graphs and communication buffers. The same fit's fixed figure."""

REPORTED_PER_NOMINAL: Final = 0.97
"""GiB software sees per nominal GB, where no report is known: the same fit's equation, between EC2's
reports of 22.35 GiB for 24 GB (0.93) and 80 GiB for 80 GB (1.00)."""

_SIXTEEN_BIT: Final = 2.0


@dataclass(frozen=True, slots=True)
class Precision:
    """How weights are stored."""

    bits: int  #: of arithmetic asked for: 16, 8 or 4
    bytes_per_parameter: float  #: with scales
    weight_only: bool  #: True where activations stay 16-bit, so the arithmetic does too
    basis: str  #: where the bytes come from


PRECISIONS: Final[dict[str, Precision]] = {
    "bf16": Precision(16, 2.0, False, "16 bits"),
    "fp16": Precision(16, 2.0, False, "16 bits"),
    "fp8": Precision(8, 1.0, False, "8 bits; per-channel or 128 × 128 block scales add under 0.1 %"),
    "int8": Precision(8, 1.0, False, "8 bits; per-channel scales add under 0.1 %"),
    "fp4": Precision(4, 0.5625, False, "NVFP4: 4 bits and an 8-bit scale per 16 weights = 4.5 bits"),
    "mxfp4": Precision(4, 0.53125, False, "OCP MX 1.0: 4 bits and an 8-bit scale per 32 weights = 4.25 bits"),
    "int4": Precision(
        4, 0.51953125, True, "AWQ, group 128: 4 bits, a 16-bit scale, a 4-bit zero = 4.156 bits"
    ),
}


@dataclass(frozen=True, slots=True)
class Fit:
    """Memory of one replica, all its accelerators together."""

    fits: bool  #: weights leave room for at least one token
    weights_gib: float
    usable_gib: float
    kv_gib: float  #: left for the KV cache; 0 where the weights do not fit
    max_tokens: int  #: of context, over all requests in flight
    detail: str  #: the arithmetic in one sentence


def precision_of(name: str) -> Precision:
    """How weights of a precision are stored.

    Raises:
        UnknownName: not one of ``PRECISIONS``.
    """
    try:
        return PRECISIONS[name]
    except KeyError:
        raise UnknownName("precision", name, PRECISIONS) from None


def stored_as(model: Model, precision: str) -> Precision:
    """The format a model's weights are in: ``fp4`` of a model published in MXFP4 is MXFP4.

    Source: gpt-oss models are published in MXFP4 only (catalogs/models.csv).
    """
    published_in_mxfp4 = model.id.startswith("gpt-oss")
    return precision_of("mxfp4" if precision == "fp4" and published_in_mxfp4 else precision)


def expert_params(model: Model) -> float:
    """Parameters in routed experts: layers × experts × 3 × hidden × width; 0 for a dense model."""
    if model.experts is None or model.moe_ffn is None:
        return 0.0
    layers = model.layers - (model.dense_layers or 0)
    count = layers * model.experts * 3.0 * model.hidden * model.moe_ffn
    return min(count, model.params_b * 1e9)


def weight_bytes(model: Model, precision: str) -> tuple[float, float]:
    """Bytes of (everything but routed experts, routed experts), all accelerators together.

    The input and output embeddings stay 16-bit in quantised checkpoints, counted as two matrices even where
    they are one. A 4-bit mixture of experts keeps everything but its experts in 16 bits, as gpt-oss does:
    this gives 65.3 GB for gpt-oss-120b, which its publisher states to fit one 80 GB GPU.
    """
    stored = stored_as(model, precision)
    params, experts = model.params_b * 1e9, expert_params(model)
    other = params - experts
    if stored.bits == 16:
        return other * _SIXTEEN_BIT, experts * _SIXTEEN_BIT
    kept = other if stored.bits == 4 and experts > 0 else min(2.0 * model.hidden * model.vocab, other)
    narrow = stored.bytes_per_parameter
    return kept * _SIXTEEN_BIT + (other - kept) * narrow, experts * narrow


def kv_bytes_per_token(model: Model, tensor_parallel: int, kv_precision: str = "fp16") -> float:
    """KV-cache bytes one token takes on each accelerator.

    Heads are split as far as there are key/value heads, then copied; a latent (MLA) cache is never split.

    Source: vLLM ModelConfig.get_num_kv_heads: max(1, kv_heads // tensor_parallel); one MLA latent per rank.
    """
    ways = 1 if model.attention == "mla" else min(tensor_parallel, model.kv_heads)
    return model.kv_bytes_per_token_fp16 * precision_of(kv_precision).bits / 16 / ways


def memory_gib(accelerator: Accelerator) -> float:
    """GiB of one accelerator as software sees them: reported where known, else nominal × 0.97."""
    if accelerator.memory_reported_gib is not None:
        return accelerator.memory_reported_gib
    return accelerator.memory_gb * REPORTED_PER_NOMINAL


def valid_tensor_parallel(model: Model, accelerators: int) -> tuple[int, ...]:
    """Degrees that divide the model's heads: powers of two up to the accelerators of one instance.

    A degree need not divide the accelerators; the remainder idles.

    Source: vLLM requires heads % tp == 0, and kv_heads % tp == 0 or tp % kv_heads == 0.
    """
    degrees = (2**power for power in range(max(accelerators, 0).bit_length()))
    return tuple(tp for tp in degrees if model.heads % tp == 0 and _kv_heads_split(model, tp))


def fit(
    model: Model, precision: str, accelerator: Accelerator, tensor_parallel: int, kv_precision: str = "fp16"
) -> Fit:
    """Memory of one replica on ``tensor_parallel`` accelerators.

    Raises:
        UnknownName: a precision that is not known.
    """
    weights = sum(weight_bytes(model, precision)) / BYTES_PER_GIB
    each = memory_gib(accelerator) * UTILISATION - RESERVE_GIB
    usable = max(each, 0.0) * tensor_parallel
    kv = max(usable - weights, 0.0)
    per_token = kv_bytes_per_token(model, tensor_parallel, kv_precision) * tensor_parallel
    tokens = int(kv * BYTES_PER_GIB / per_token)
    arithmetic = (
        f"weights {weights:.1f} GiB on {tensor_parallel} × {max(each, 0.0):.1f} GiB usable "
        f"(memory × {UTILISATION} − {RESERVE_GIB} GiB reserve)"
    )
    outcome = f"room for {tokens:,} tokens" if tokens else f"{_short(weights - usable)} GiB short"
    return Fit(tokens > 0, weights, usable, kv, tokens, f"{arithmetic}: {outcome}")


def _kv_heads_split(model: Model, tensor_parallel: int) -> bool:
    if model.attention == "mla":
        return True
    return model.kv_heads % tensor_parallel == 0 or tensor_parallel % model.kv_heads == 0


def _short(gib: float) -> str:
    return f"{gib:.0f}" if gib >= 10 else f"{gib:.1f}"
