"""Does a model fit, and how many tokens of context fit beside it: arithmetic, no fitting.

======================  ===========================================================================
weights                 parameters × bytes per parameter (``PRECISIONS``); see :func:`weight_bytes`
usable                  tensor_parallel × (memory × ``UTILISATION`` − ``RESERVE_GIB``)
LoRA                    adapters × rank × (hidden + inner width) of every linear layer; see
                        :func:`lora_bytes`
KV cache                usable − weights − LoRA; a token takes ``kv_bytes_per_token`` split over the
                        accelerators as far as key/value heads can be split, replicated beyond
activations             part of the reserve, shown for comparison; see :func:`activation_bytes`
======================  ===========================================================================

A layer that slides keeps its window alone where the engine frees the rest (:class:`Window`); elsewhere it is
charged for the full context, and the figure is a floor.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Final

import numpy as np

from advisor.domain import PLAIN_TRAFFIC
from advisor.errors import UnknownName
from advisor.profiles.queueing import STEP_TOKENS
from advisor.units import BYTES_PER_GIB

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from advisor.domain import Accelerator, Model, Traffic

    Quantity = float | NDArray[np.float64]

UTILISATION: Final = 0.92
"""Share of memory an engine claims: 0.923 when fitted on saturated NVIDIA runs of dense models;
vLLM's ``gpu_memory_utilization`` is 0.9 by default."""

RESERVE_GIB: Final = 2.0
"""Per accelerator, for activations, CUDA graphs and communication buffers. The same fit's fixed figure."""

REPORTED_PER_NOMINAL: Final = 0.97
"""GiB software sees per nominal GB, where no report is known: the same fit's equation, between EC2's
reports of 22.35 GiB for 24 GB (0.93) and 80 GiB for 80 GB (1.00)."""

_SIXTEEN_BIT: Final = 2.0
_SLIDING: Final = re.compile(r"every (?P<nth>\d+)(?:st|nd|rd|th) layer|(?P<some>\d+) of (?P<all>\d+) layers")


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
class MemoryAccount:
    """Where the memory of one replica goes, all its accelerators together; the parts sum to the memory."""

    memory_gib: float  #: as software sees it
    unclaimed_gib: float  #: left outside the engine: 1 − ``UTILISATION``
    reserve_gib: float  #: activations, CUDA graphs, communication buffers
    activations_gib: float  #: of the reserve, by :func:`activation_bytes`
    weights_gib: float
    lora_gib: float  #: adapters, copies over accelerators included
    kv_gib: float  #: what remains; 0 where the weights do not fit
    short_gib: float  #: what is missing where nothing remains
    kv_bytes_per_token: float  #: copies over accelerators included
    max_tokens: int  #: of context, over all requests in flight, each charged in every layer
    max_context: int  #: of one request, the model's own
    accelerators: int
    adapters: str  #: in words; blank for none
    window: Window  #: what layers that slide keep

    @property
    def fits(self) -> bool:
        """Whether weights leave room for at least one token."""
        return self.max_tokens > 0

    @property
    def usable_gib(self) -> float:
        """Of weights, adapters and KV cache."""
        return max(self.memory_gib - self.unclaimed_gib - self.reserve_gib, 0.0)

    @property
    def longest_context(self) -> int:
        """Of one request: what remains, at most the model's own."""
        return int(min(self.window.longest(self.max_tokens), self.max_context))

    def largest_batch(self, tokens: float) -> int:
        """Requests in flight, each at its full length of so many tokens."""
        return int(self.max_tokens // self.window.kept(tokens))

    @property
    def detail(self) -> str:
        """The arithmetic in one sentence."""
        adapters = f" + {self.adapters} {self.lora_gib:.1f} GiB" if self.adapters else ""
        outcome = (
            f"room for {self.max_tokens:,} tokens" if self.fits else f"{_short(self.short_gib)} GiB short"
        )
        return (
            f"weights {self.weights_gib:.1f} GiB{adapters} on {self.accelerators} × "
            f"{self.usable_gib / self.accelerators:.1f} GiB usable "
            f"(memory × {UTILISATION} − {RESERVE_GIB} GiB reserve): {outcome}"
        )


@dataclass(frozen=True, slots=True)
class Window:
    """Layers that attend to the last so many tokens alone."""

    share: float = 0.0  #: of the layers that attend
    tokens: float = 0.0

    def kept(self, context: Quantity) -> Quantity:
        """Tokens that count in every layer instead of so many of context."""
        return context - self.share * np.maximum(context - self.tokens, 0.0)

    def longest(self, tokens: float) -> float:
        """The context of which so many count."""
        if self.share <= 0.0 or tokens <= self.tokens:
            return tokens
        return inf if self.share >= 1.0 else (tokens - self.share * self.tokens) / (1.0 - self.share)


EVERY_TOKEN: Final = Window()
"""No layer slides."""


def window_of(model: Model) -> Window:
    """Of a model's layers: ``every 2nd layer``, ``5 of 6 layers``, or all where nobody says which.

    Raises:
        ValueError: which layers slide is said in other words.
    """
    if model.sliding_window is None:
        return EVERY_TOKEN
    words = model.sliding_window_layers or "1 of 1 layers"
    found = _SLIDING.fullmatch(words)
    if found is None:
        raise ValueError(f"{model.id}: sliding_window_layers {words!r} is not understood")
    share = 1 / int(found["nth"]) if found["nth"] else int(found["some"]) / int(found["all"])
    return Window(share, float(model.sliding_window))


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


_MOST_DEGREE: Final = 1024  # of the degrees that are named


def valid_tensor_parallel(model: Model, accelerators: int) -> tuple[int, ...]:
    """Degrees that divide the model's heads: powers of two up to the accelerators of one instance.

    A degree need not divide the accelerators; the remainder idles.

    Source: vLLM requires heads % tp == 0, and kv_heads % tp == 0 or tp % kv_heads == 0.
    """
    degrees = (2**power for power in range(max(accelerators, 0).bit_length()))
    return tuple(tp for tp in degrees if model.heads % tp == 0 and _kv_heads_split(model, tp))


def unsplittable(model: Model, tensor_parallel: int) -> str | None:
    """Why no engine splits a model over so many accelerators; None where one can."""
    if tensor_parallel in valid_tensor_parallel(model, tensor_parallel):
        return None
    most = ", ".join(map(str, valid_tensor_parallel(model, _MOST_DEGREE)))
    return f"{model.id} cannot be split over {tensor_parallel} accelerators; its heads split over {most}"


def ffn_width(model: Model) -> float:
    """Width of the feed-forward layers a token passes through, from the parameters that are left for them.

    Dense: (parameters − embedding − layers × attention) / (layers × 3 × hidden). The embedding is taken once,
    as if tied, so an untied model's width comes out up to a tenth too large. Mixture of experts: (experts per
    token + shared) × expert width, as the dense layers of DeepSeek-V3 have it, too.
    """
    if model.experts is not None and model.moe_ffn is not None:
        return ((model.experts_per_token or 0) + (model.shared_experts or 0)) * float(model.moe_ffn)
    left = model.params_b * 1e9 - model.hidden * model.vocab
    attention = sum(model.hidden * inner for inner in _attention_widths(model))
    return max(left / model.layers - attention, 0.0) / (3.0 * model.hidden)


def lora_bytes(model: Model, tensor_parallel: int, traffic: Traffic) -> float:
    """Bytes all adapters take on each accelerator, at 16 bits on every linear layer.

    adapters × rank × sum over matrices of (hidden + inner / tensor_parallel) × 2: of a matrix between the
    residual stream and an inner width, the half on the inner side is split, the other copied. Routed and
    shared experts have an adapter each, which is what an engine sets aside whatever the adapter covers.

    Source: Hu et al., arXiv:2106.09685; vLLM LoRAConfig.fully_sharded_loras (v0.9 to v0.11): "only half of
    the LoRA computation is sharded with tensor parallelism".
    """
    if not traffic.lora_adapters:
        return 0.0
    attention = sum(model.hidden + inner / tensor_parallel for inner in _attention_widths(model))
    dense = 3.0 * (model.hidden + ffn_width(model) / tensor_parallel)
    per_model = model.layers * (attention + dense)
    if model.experts is not None and model.moe_ffn is not None:
        sparse_layers = model.layers - (model.dense_layers or 0)
        each = 3.0 * (model.hidden + model.moe_ffn / tensor_parallel)
        experts = model.experts + (model.shared_experts or 0)
        per_model += sparse_layers * (experts * each - dense)
    return traffic.lora_adapters * traffic.lora_rank * per_model * _SIXTEEN_BIT


def activation_bytes(model: Model, tensor_parallel: int) -> float:
    """Bytes of the widest layer's intermediate results in one step, per accelerator.

    ``STEP_TOKENS`` × 2 × (2 hidden + 3 feed-forward width / tensor_parallel): the residual stream and its
    copy; gate, up and their product.
    """
    width = 2.0 * model.hidden + 3.0 * ffn_width(model) / tensor_parallel
    return STEP_TOKENS * _SIXTEEN_BIT * width


def account(
    model: Model,
    precision: str,
    accelerator: Accelerator,
    tensor_parallel: int,
    kv_precision: str = "fp16",
    traffic: Traffic = PLAIN_TRAFFIC,
    *,
    windowed: bool = False,
) -> MemoryAccount:
    """Where the memory of one replica goes.

    ``windowed``: layers that slide keep their window alone; else they are charged for the whole context.

    Raises:
        UnknownName: a precision that is not known.
    """
    each = memory_gib(accelerator)
    weights = sum(weight_bytes(model, precision)) / BYTES_PER_GIB
    lora = lora_bytes(model, tensor_parallel, traffic) * tensor_parallel / BYTES_PER_GIB
    usable = max(each * UTILISATION - RESERVE_GIB, 0.0) * tensor_parallel
    kv = max(usable - weights - lora, 0.0)
    per_token = kv_bytes_per_token(model, tensor_parallel, kv_precision) * tensor_parallel
    adapters = f"{traffic.lora_adapters} LoRA adapters of rank {traffic.lora_rank}" if lora else ""
    return MemoryAccount(
        memory_gib=each * tensor_parallel,
        unclaimed_gib=each * (1.0 - UTILISATION) * tensor_parallel,
        reserve_gib=RESERVE_GIB * tensor_parallel,
        activations_gib=activation_bytes(model, tensor_parallel) * tensor_parallel / BYTES_PER_GIB,
        weights_gib=weights,
        lora_gib=lora,
        kv_gib=kv,
        short_gib=max(weights + lora - usable, 0.0),
        kv_bytes_per_token=per_token,
        max_tokens=int(kv * BYTES_PER_GIB / per_token),
        max_context=model.max_context,
        accelerators=tensor_parallel,
        adapters=adapters,
        window=window_of(model) if windowed else EVERY_TOKEN,
    )


def _attention_widths(model: Model) -> tuple[float, ...]:
    """Inner widths of query, key, value and output; an MLA layer keeps one latent for key and value."""
    queries = float(model.heads * model.head_dim)
    if model.attention == "mla":
        return (queries, model.kv_bytes_per_token_fp16 / model.layers / _SIXTEEN_BIT, queries)
    kept = float(model.kv_heads * model.head_dim)
    return (queries, kept, kept, queries)


def _kv_heads_split(model: Model, tensor_parallel: int) -> bool:
    if model.attention == "mla":
        return True
    return model.kv_heads % tensor_parallel == 0 or tensor_parallel % model.kv_heads == 0


def _short(gib: float) -> str:
    return f"{gib:.0f}" if gib >= 10 else f"{gib:.1f}"
