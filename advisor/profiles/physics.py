"""What a chip could not have done, whatever the engine: peak figures with no efficiency taken off.

::

    decode      rate <= t F / (2 (N - V h) O)         every output token is computed
    reading     rate <= t F / (2 (N - V h) (I + O))   … and every input token, unless a prefix cache has it
    bandwidth   TPOT >= read(1) / W                   one token needs one pass over the weights
                rate <= B / (O read(B) / W)           B in flight share a pass
    memory      weights <= t x memory

N parameters per token, V h the input embedding (looked up, not computed), F peak dense arithmetic of the
widest units, W memory bandwidth, read(B) the bytes of one pass. Draft tokens of speculative decoding
multiply what a pass yields.

Source: the roofline of ``advisor.profiles.roofline`` without its constants.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from advisor.profiles import memory, roofline
from advisor.profiles.findings import TOLERANCE, Finding, refuse
from advisor.profiles.importers.reading import CLOSED_LOOP, SLO_MAXIMUM

if TYPE_CHECKING:
    from collections.abc import Iterator

    from advisor.domain import Accelerator, Model
    from advisor.profiles.importers.reading import Load


@dataclass(frozen=True, slots=True)
class Replica:
    """What was measured, as the catalog knows it."""

    model: Model
    accelerator: Accelerator
    precision: str
    tensor_parallel: int
    draft_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Limits:
    """Peak figures of one replica for one model."""

    tokens_per_s: float
    other_s: float  #: seconds to read everything but routed experts
    experts_s: float
    idle_share: float

    def pass_s(self, in_flight: float) -> float:
        """Seconds to read the weights ``in_flight`` sequences touch."""
        return self.other_s + self.experts_s * float(1.0 - self.idle_share**in_flight)


def against_physics(load: Load, replica: Replica) -> Iterator[Finding]:
    """What the chip could not have done. Says nothing where bandwidth or arithmetic are not on record."""
    chip = replica.accelerator
    if chip.memory_bandwidth_gb_per_s is None or chip.bf16_dense_tflops is None:
        return
    rate, tokens_in, tokens_out = load.requests_per_s, load.input_tokens, load.output_tokens
    if not rate or not tokens_in or not tokens_out:
        return
    limits = limits_of(replica)
    per_pass = 1 + replica.draft_tokens
    decode = limits.tokens_per_s / tokens_out
    if rate > decode * TOLERANCE:
        yield refuse(load, "requests_per_s", rate, _beyond("arithmetic", decode, "requests/s", replica))
        return
    reading = limits.tokens_per_s / (tokens_in + tokens_out)
    if rate > reading * TOLERANCE:
        reason = f"more than {reading:.4g} requests/s: prompts were not all computed (cached prefixes?)"
        yield Finding(load.place, False, "requests_per_s", rate, reason, "faster-than-prefill", reason)
    least_ms = limits.pass_s(1.0) * 1e3 / per_pass
    for name in ("mean", "p50"):
        value = getattr(load.tpot, name)
        if value is not None and value * TOLERANCE < least_ms and load.load_mode != SLO_MAXIMUM:
            text = f"a TPOT of at least {least_ms:.4g} ms is: {_pass(replica)}"
            yield refuse(load, f"tpot_{name}_ms", value, text)
            return
    if load.load_mode == CLOSED_LOOP and load.concurrency:
        most = load.concurrency * per_pass / (tokens_out * limits.pass_s(load.concurrency))
        if rate > most * TOLERANCE:
            yield refuse(
                load, "requests_per_s", rate, _beyond("memory bandwidth", most, "requests/s", replica)
            )


def limits_of(replica: Replica) -> Limits:
    """Peak figures, nothing taken off."""
    model, chip, t = replica.model, replica.accelerator, float(replica.tensor_parallel)
    work = roofline.work_of(model, replica.precision, chip, replica.tensor_parallel)
    embedding = float(model.hidden) * model.vocab
    narrow = (
        []
        if work.bits == 16 and replica.precision in ("bf16", "fp16")
        else [chip.fp8_dense_tflops, chip.fp4_dense_tflops]
    )
    peak = max(float(work.flop_per_s), *(figure * 1e12 for figure in narrow if figure), 0.0)
    flop = max(float(work.flop_per_token) - 2.0 * embedding, 0.5 * float(work.flop_per_token))
    other = max(float(work.other_bytes) - 2.0 * embedding / t, 0.0)
    bandwidth = float(work.bytes_per_s)
    return Limits(
        t * peak / flop, other / bandwidth, float(work.expert_bytes) / bandwidth, float(work.idle_share)
    )


def too_large(replica: Replica) -> str | None:
    """Why the weights cannot have been there, or None."""
    weights = sum(memory.weight_bytes(replica.model, replica.precision)) / 2**30
    room = replica.tensor_parallel * replica.accelerator.memory_gb * 1e9 / 2**30
    if weights <= room * TOLERANCE:
        return None
    return (
        f"{replica.model.id} in {replica.precision} takes {weights:.0f} GiB, {replica.tensor_parallel} × "
        f"{replica.accelerator.id} has {room:.0f}: another model, precision, accelerator or --tp"
    )


def _beyond(bound: str, most: float, unit: str, replica: Replica) -> str:
    return (
        f"at most {most:.4g} {unit} is: the {bound} of {replica.tensor_parallel} × {replica.accelerator.id}"
        " with "
        f"{replica.model.id} in {replica.precision}; another of these{_drafts(replica)}?"
    )


def _pass(replica: Replica) -> str:
    return (
        f"{replica.tensor_parallel} × {replica.accelerator.id} reads {replica.model.id} in"
        f" {replica.precision} no faster; another of these{_drafts(replica)}?"
    )


def _drafts(replica: Replica) -> str:
    return "" if replica.draft_tokens else ", or speculative decoding (--draft-tokens)"
