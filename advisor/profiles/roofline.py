"""Requests per second one replica sustains, from the chip's peak figures: a calibrated roofline.

::

    Symbols   I, O   input, output tokens of a request      B     requests in flight (a mean, so real)
              t      tensor-parallel degree                 E, e  experts, experts per token
              W      memory bandwidth, byte/s               F     peak flop/s of one accelerator
              N      parameters used per token              k     KV-cache bytes per token per accelerator
              L, h   layers, hidden size                    g     attention flop per token of context
              link   one-way link bandwidth, byte/s

              R              parameters used per token in routed experts

    Constants mfu, mbu, le   shares of peak arithmetic, memory and link bandwidth reached
              c0, cL, c1, a  seconds per step, per layer, per sequence per step, per all-reduce
              T              tokens that an expert's multiplication costs beyond those it is given
              w              share of others' prefills that a request waits for before its first token

    share(B)    = 1 - (1 - e/E)^B                                                   of the experts, touched
    touched(B)  = other weights + expert weights * share(B)                         byte, all accelerators
    attend      = max(k / (W mbu), g / (t F16 mfu16))                               s per token of context
    comm(n)     = 2 L (a + 2 n h * 2 (t - 1)/t / (link le)),  0 for t = 1           s
    decode(B)   = touched(B) / (t W mbu) + (2 N B + 2 R T share(B) E/e) / (t F mfu)
                  + B (I + O/2) attend + comm(B) + c0 + cL L + c1 B                 s per step
    prefill     = (2 N I + 2 L heads width I^2) / (t F mfu) + comm(I)               s per request
    ttft(B)     = decode(B) + prefill (1 + w (B - 1))                               s, in a closed loop
    tpot(B)     = decode(B) + (1 - w) (B - 1) prefill / (O - 1)                     s
    rate(B)     = B / (ttft + (O - 1) tpot) = B / (O decode(B) + B prefill)         requests/s

    Where a share s of the layers attends to the last v tokens alone, n tokens of context count as
    n - s max(n - v, 0) in decode, with n = I + O/2, and I^2 as I^2 - s max(I - v, 0)^2 in prefill.

Of the prefills of the B - 1 others, a request waits for the share w before its own first token and is
interrupted by the rest between its tokens. Reading weights and computing add up rather than overlap, which
fits the measured rows a little better than their maximum. ``decode(B)/B`` falls with B, so ``rate`` rises
with B and the largest B is the best (:mod:`advisor.profiles.curve`). B is a mean over time and so not
rounded. Which engine, of which year, and what is known of the model or the chip itself scales the constants
before they get here: ``calibration.Calibration.constants``.

Source: Williams, Waterman, Patterson, "Roofline", CACM 52(4), 2009; Pope et al., "Efficiently Scaling
Transformer Inference", arXiv:2211.05102 (weights, KV cache, all-reduce). Constants: estimator.toml.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from advisor.profiles import memory

if TYPE_CHECKING:
    from advisor.domain import Accelerator, Model

Floats = npt.NDArray[np.float64]
Quantity = float | Floats
"""One configuration, or one array element per configuration: the equations do not care."""

MLA_PREFILL_WIDTH: Final = 160.0
"""Mean of query-key (128 + 64) and value (128) head width. Source: DeepSeek-V3 report, arXiv:2412.19437."""

_PCIE: Final = "PCIe"
"""How interconnects that go through the host begin: starting an all-reduce there takes longer."""

_BRIDGE: Final = "bridge"
"""A bridge joins two cards; wider replicas reduce through the host."""

_BESIDE_BRIDGES: Final = 64e9
"""Byte/s one way of the PCIe 5 x16 beside every bridged card on record. Source: the cards' datasheets."""


@dataclass(frozen=True, slots=True)
class Constants:
    """Efficiencies and overheads of one family of models on one vendor's chips; see the module."""

    mfu_16: float  #: share of peak dense 16-bit arithmetic
    mfu_8: float
    mfu_4: float
    mbu: float  #: share of peak memory bandwidth
    step_ms: float  #: c0, per engine step
    layer_us: float  #: cL, per layer per step
    sequence_us: float  #: c1, per sequence per step
    link_share: float  #: le, share of one-way link bandwidth
    allreduce_us_fast: float  #: a, NVLink class
    allreduce_us_slow: float  #: a, PCIe class
    expert_tokens: float  #: T, tokens a touched expert computes beyond its own; 0 for dense
    wait_share: float  #: w, share of others' prefills before the first token rather than between tokens
    saturated_sequences: float  #: batch of an engine handed everything at once, as far as memory allows
    max_sequences: float  #: largest batch the constants are used for

    def scaled(self, effect: Effect) -> Constants:
        """The same, where all takes ``effect.time`` as long and overheads ``effect.overhead`` besides."""
        slower, fixed = effect.time, effect.time * effect.overhead
        return replace(
            self,
            mfu_16=self.mfu_16 / slower,
            mfu_8=self.mfu_8 / slower,
            mfu_4=self.mfu_4 / slower,
            mbu=self.mbu / slower,
            link_share=self.link_share / slower,
            allreduce_us_fast=self.allreduce_us_fast * slower,
            allreduce_us_slow=self.allreduce_us_slow * slower,
            step_ms=self.step_ms * fixed,
            layer_us=self.layer_us * fixed,
            sequence_us=self.sequence_us * fixed,
        )


@dataclass(frozen=True, slots=True)
class Effect:
    """How much longer than the base constants say, shrunk towards 1 by how few rows say so."""

    time: float = 1.0  #: of everything
    overhead: float = 1.0  #: of c0, cL and c1, besides

    def __mul__(self, other: Effect) -> Effect:
        return Effect(self.time * other.time, self.overhead * other.overhead)


@dataclass(frozen=True, slots=True)
class Work:
    """What one step moves and computes, before any efficiency: the symbols of the module's table."""

    tensor_parallel: Quantity
    other_bytes: Quantity  #: weights read every step, per accelerator
    expert_bytes: Quantity  #: routed experts' weights, per accelerator
    idle_share: Quantity  #: 1 − e/E: chance that a token leaves an expert alone
    flop_per_token: Quantity  #: 2·N, all accelerators
    expert_flop_per_token: Quantity  #: 2·R, all accelerators
    kv_bytes: Quantity  #: k
    attend_flop: Quantity  #: g, all accelerators
    prefill_flop_per_token2: Quantity  #: 2·L·heads·width
    layers: Quantity
    hidden: Quantity
    bits: Quantity  #: of the arithmetic: 16, 8 or 4
    flop_per_s: Quantity  #: F at those bits
    flop16_per_s: Quantity
    bytes_per_s: Quantity  #: W
    link_bytes_per_s: Quantity
    through_host: Quantity  #: whether all-reduces go through the host (PCIe) rather than a fabric
    window_share: Quantity  #: of the layers, those that slide
    window_tokens: Quantity


def work_of(
    model: Model, precision: str, accelerator: Accelerator, tensor_parallel: int, kv_precision: str = "fp16"
) -> Work:
    """A model's work on a chip.

    Raises:
        ValueError: the chip's bandwidth or arithmetic is not known; ask ``Calibration.supports`` first.
    """
    bandwidth, flops16 = accelerator.memory_bandwidth_gb_per_s, accelerator.bf16_dense_tflops
    if bandwidth is None or flops16 is None:
        raise ValueError(f"{accelerator.id}: memory bandwidth or 16-bit arithmetic is not known")
    bits, flops = arithmetic(precision, accelerator)
    other, experts = memory.weight_bytes(model, precision)
    width = MLA_PREFILL_WIDTH if model.attention == "mla" else float(model.head_dim)
    through_host, link = _interconnect(accelerator, tensor_parallel)
    window = memory.window_of(model)
    touched = (model.experts_per_token or 0) / model.experts if model.experts else 1.0
    return Work(
        tensor_parallel=float(tensor_parallel),
        other_bytes=other / tensor_parallel,
        expert_bytes=experts / tensor_parallel,
        idle_share=1.0 - touched,
        flop_per_token=2.0 * model.active_params_b * 1e9,
        expert_flop_per_token=2.0 * memory.expert_params(model) * touched if model.experts else 0.0,
        kv_bytes=memory.kv_bytes_per_token(model, tensor_parallel, kv_precision),
        attend_flop=4.0 * model.attention_layers * model.heads * _decode_width(model),
        prefill_flop_per_token2=2.0 * model.attention_layers * model.heads * width,
        layers=float(model.layers),
        hidden=float(model.hidden),
        bits=float(bits),
        flop_per_s=flops * 1e12,
        flop16_per_s=flops16 * 1e12,
        bytes_per_s=bandwidth * 1e9,
        link_bytes_per_s=link,
        through_host=through_host,
        window_share=window.share,
        window_tokens=window.tokens,
    )


def _interconnect(accelerator: Accelerator, tensor_parallel: int) -> tuple[bool, float]:
    """Whether all-reduces go through the host, and the link's byte/s one way; unknown counts as the host."""
    name, link = accelerator.interconnect or _PCIE, (accelerator.interconnect_gb_per_s_one_way or 0.0) * 1e9
    if _BRIDGE in name and tensor_parallel > 2:
        return True, _BESIDE_BRIDGES
    return name.startswith(_PCIE), link


def arithmetic(precision: str, accelerator: Accelerator) -> tuple[int, float]:
    """Bits and peak dense TFLOPS a precision computes in: 16-bit where weights alone are narrow.

    4-bit weights on a chip without 4-bit arithmetic are unpacked to 16 bits (vLLM's Marlin kernels). INT8
    runs at the FP8 figure, as in NVIDIA's datasheets of the chips that have both.
    """
    stored = memory.precision_of(precision)
    sixteen = 16, accelerator.bf16_dense_tflops or 0.0
    if stored.bits == 16 or stored.weight_only:
        return sixteen
    peak = accelerator.fp8_dense_tflops if stored.bits == 8 else accelerator.fp4_dense_tflops
    return (stored.bits, peak) if peak is not None else sixteen


def comm_s(work: Work, constants: Constants, tokens: Quantity) -> Quantity:
    """Seconds of all-reduces for one pass of ``tokens`` tokens: two per layer."""
    t = work.tensor_parallel
    start = np.where(work.through_host, constants.allreduce_us_slow, constants.allreduce_us_fast) * 1e-6
    link = np.maximum(work.link_bytes_per_s, 1.0) * constants.link_share
    moved = 2.0 * tokens * work.hidden * 2.0 * (t - 1.0) / t / link
    result: Floats = np.where(np.asarray(t) > 1.0, 2.0 * work.layers * (start + moved), 0.0)
    return result


def mfu(work: Work, constants: Constants) -> Quantity:
    """Share of peak arithmetic reached at the precision's bits."""
    bits = np.asarray(work.bits)
    result: Floats = np.where(
        bits == 16, constants.mfu_16, np.where(bits == 8, constants.mfu_8, constants.mfu_4)
    )
    return result


def prefill_s(work: Work, constants: Constants, input_tokens: Quantity) -> Quantity:
    """Seconds to read one prompt, alone."""
    pairs = input_tokens * input_tokens - work.window_share * _beyond_window(work, input_tokens) ** 2
    flop = work.flop_per_token * input_tokens + work.prefill_flop_per_token2 * pairs
    speed = work.tensor_parallel * work.flop_per_s * mfu(work, constants)
    return flop / speed + comm_s(work, constants, input_tokens)


def step_line(work: Work, constants: Constants, context_tokens: Quantity) -> tuple[Quantity, Quantity]:
    """(a, b): a step of ``batch`` sequences takes ``weights_s(batch) + a + b * batch`` seconds."""
    none = _affine_s(work, constants, 0.0, context_tokens)
    return none, _affine_s(work, constants, 1.0, context_tokens) - none


def _decode_width(model: Model) -> float:
    """Head width attention works in while decoding: an MLA cache is attended in latent space."""
    if model.attention != "mla":
        return float(model.head_dim)
    return model.kv_bytes_per_token_fp16 / model.layers / 2.0


def weights_s(work: Work, constants: Constants, batch: Quantity) -> Quantity:
    """Reading the weights that are touched, and what each touched expert computes beyond its tokens."""
    share = 1.0 - np.power(work.idle_share, batch)
    read = (work.other_bytes + work.expert_bytes * share) / (work.bytes_per_s * constants.mbu)
    per_token = np.maximum(1.0 - np.asarray(work.idle_share), 1e-12)  # e/E
    beyond = work.expert_flop_per_token * constants.expert_tokens * share / per_token
    return read + beyond / (work.tensor_parallel * work.flop_per_s * mfu(work, constants))


def _affine_s(work: Work, constants: Constants, batch: Quantity, context_tokens: Quantity) -> Quantity:
    """Everything in a step that is affine in the batch: arithmetic, attention, all-reduces, overheads."""
    matrices = batch * work.flop_per_token / (work.tensor_parallel * work.flop_per_s * mfu(work, constants))
    read = work.kv_bytes / (work.bytes_per_s * constants.mbu)
    compute = work.attend_flop / (work.tensor_parallel * work.flop16_per_s * constants.mfu_16)
    attended = context_tokens - work.window_share * _beyond_window(work, context_tokens)
    attend = batch * attended * np.maximum(read, compute)
    fixed = constants.step_ms * 1e-3 + work.layers * constants.layer_us * 1e-6
    overhead = fixed + batch * constants.sequence_us * 1e-6
    return matrices + attend + comm_s(work, constants, batch) + overhead


def _beyond_window(work: Work, tokens: Quantity) -> Quantity:
    return np.maximum(tokens - work.window_tokens, 0.0)
