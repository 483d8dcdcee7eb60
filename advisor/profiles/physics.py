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

from advisor.profiles import memory
from advisor.profiles.findings import TOLERANCE, RowFinding, flagged, refuse
from advisor.profiles.importers.reading import CLOSED_LOOP, SLO_MAXIMUM

if TYPE_CHECKING:
    from collections.abc import Iterator

    from advisor.profiles.placing import PlacedRow
    from advisor.profiles.replica import Replica


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


def against_physics(placed: PlacedRow) -> Iterator[RowFinding]:
    """What the chip could not have done. Says nothing where bandwidth or arithmetic are not on record."""
    row, chip = placed.row, placed.replica.accelerator
    if chip.memory_bandwidth_gb_per_s is None or chip.bf16_dense_tflops is None:
        return
    rate, tokens_in, tokens_out = row.requests_per_s, row.input_tokens, row.output_tokens
    if not rate or not tokens_in or not tokens_out:
        return
    limits = limits_of(placed.replica)
    decode = limits.tokens_per_s / tokens_out
    if rate > decode * TOLERANCE:
        yield refuse(row, "requests_per_s", rate, _beyond("arithmetic", decode, placed))
        return
    reading = limits.tokens_per_s / (tokens_in + tokens_out)
    if rate > reading * TOLERANCE:
        reason = f"more than {reading:.4g} requests/s: prompts were not all computed (cached prefixes?)"
        yield flagged(row, "requests_per_s", rate, reason, "faster-than-prefill", unfit=True)
    yield from _against_bandwidth(placed, limits, rate, tokens_out)


def _against_bandwidth(
    placed: PlacedRow, limits: Limits, rate: float, tokens_out: float
) -> Iterator[RowFinding]:
    """One token needs one pass over the weights, those in flight share one; drafts multiply its yield."""
    row, per_pass = placed.row, 1 + placed.draft_tokens
    if placed.guesses_unknown:
        return
    least_ms = limits.pass_s(1.0) * 1e3 / per_pass
    for statistic in ("mean", "p50"):
        value = row.ms("tpot", statistic)
        if value is not None and value * TOLERANCE < least_ms and row.load_mode != SLO_MAXIMUM:
            text = f"a TPOT of at least {least_ms:.4g} ms is: {_pass(placed)}"
            yield refuse(row, f"tpot_{statistic}_ms", value, text)
            return
    if row.load_mode == CLOSED_LOOP and row.concurrency:
        most = row.concurrency * per_pass / (tokens_out * limits.pass_s(row.concurrency))
        if rate > most * TOLERANCE:
            yield refuse(row, "requests_per_s", rate, _beyond("memory bandwidth", most, placed))


def limits_of(replica: Replica) -> Limits:
    """Peak figures, nothing taken off."""
    model, chip, t = replica.model, replica.accelerator, float(replica.tensor_parallel)
    work = replica.work()
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


def _beyond(bound: str, most: float, placed: PlacedRow) -> str:
    replica, drafts = placed.replica, _drafts(placed)
    chips = f"{replica.tensor_parallel} × {replica.accelerator.id}"
    what = f"{replica.model.id} in {replica.precision}"
    return f"at most {most:.4g} requests/s is: the {bound} of {chips} with {what}; another of these{drafts}?"


def _pass(placed: PlacedRow) -> str:
    replica, drafts = placed.replica, _drafts(placed)
    chips = f"{replica.tensor_parallel} × {replica.accelerator.id}"
    return f"{chips} reads {replica.model.id} in {replica.precision} no faster; another of these{drafts}?"


def _drafts(placed: PlacedRow) -> str:
    return "" if placed.draft_tokens else ", or speculative decoding (--draft-tokens)"
