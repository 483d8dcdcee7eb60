"""What a throughput profile is: load points per request size, and the rate they sustain within an SLO.

One profile is one run or one simulation of one replica: model, precision, engine and version, accelerator and
tensor-parallel degree. Its rates are those of the whole replica, never per accelerator.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from advisor.domain import EvidenceKind, Model, Slo

    Floats = NDArray[np.float64]

ANY_ENGINE = "any"
SIXTEEN_BIT = frozenset({"bf16", "fp16"})
_FOUR_BIT_FLOAT = frozenset({"fp4", "nvfp4", "mxfp4"})
_SAME_RATE = 1e-9  # relative; below it two rates are one


def precision_class(precision: str) -> str:
    """The name under which figures may stand for each other: fp16 and bf16 cost the same on 16-bit units.

    A model is published in one 4-bit float format at most, so ``mxfp4`` and ``nvfp4`` are both ``fp4``.
    """
    folded = precision.casefold()
    if folded in SIXTEEN_BIT:
        return "16-bit"
    return "fp4" if folded in _FOUR_BIT_FLOAT else folded


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


@dataclass(frozen=True, slots=True)
class SizePoints:
    """The load points of one request size, by rising TPOT, and what they sustain."""

    input_tokens: float
    output_tokens: float
    tpot_ms: Floats
    ttft_ms: Floats  #: NaN where not stated
    requests_per_s: Floats
    concurrency: Floats  #: NaN where not stated

    def rate(self, slo: Slo) -> tuple[float, str]:
        """Largest requests per second within the SLO and what stops it; 0.0 where no point meets it.

        A TPOT limit between two points is interpolated linearly and so bounded by them. With a TTFT limit
        only profiled points count: TTFT does not rise evenly with load, so nothing lies safely between them.
        """
        rate, by = self._within_tpot(slo.tpot_ms)
        if slo.ttft_ms is None or rate == 0.0:
            return rate, by
        meets = self.ttft_ms <= slo.ttft_ms
        if slo.tpot_ms is not None:
            meets &= self.tpot_ms <= slo.tpot_ms
        within = float(self.requests_per_s[meets].max(initial=0.0))
        return within, by if within >= rate * (1 - _SAME_RATE) else "ttft"

    def _within_tpot(self, limit_ms: float | None) -> tuple[float, str]:
        best = np.maximum.accumulate(self.requests_per_s)
        passing = (
            len(best) if limit_ms is None else int(np.searchsorted(self.tpot_ms, limit_ms, side="right"))
        )
        if passing == 0:
            return 0.0, "tpot"
        rate = float(best[passing - 1])
        if passing < len(best) and limit_ms is not None:
            below, above = float(self.tpot_ms[passing - 1]), float(self.tpot_ms[passing])
            rate += (limit_ms - below) / (above - below) * float(best[passing] - best[passing - 1])
        return rate, "load" if rate >= float(best[-1]) * (1 - _SAME_RATE) else "tpot"

    def lightest(self) -> tuple[float, float, float]:
        """Lowest TPOT, lowest TTFT and the smallest load profiled (NaN where not stated)."""
        ttft = self.ttft_ms[~np.isnan(self.ttft_ms)]
        load = self.concurrency[~np.isnan(self.concurrency)]
        return (
            float(self.tpot_ms[0]),
            float(ttft.min(initial=np.inf)),
            float(load.min()) if load.size else float("nan"),
        )


@dataclass(frozen=True, slots=True)
class Profile:
    """One run or simulation of one replica, over request sizes and loads."""

    id: str
    kind: EvidenceKind
    source_id: str
    model: str  #: the model that was run; the one asked for may only share its shape
    precision: str
    engine: str
    engine_version: str | None
    accelerator: str
    tensor_parallel: int
    date: str | None
    error_pct: float | None
    notes: tuple[str, ...]
    sizes: tuple[SizePoints, ...]

    @property
    def source(self) -> str:
        """Source id, engine and version, and what to know about it, for people."""
        engine = f"{self.engine} {self.engine_version}" if self.engine_version else self.engine
        when = f", {self.date}" if self.date else ""
        return "; ".join([f"{self.source_id} ({engine}{when})", *self.notes])

    @property
    def inputs(self) -> Floats:
        """Distinct profiled input sizes, rising."""
        return np.unique([size.input_tokens for size in self.sizes])

    @property
    def outputs(self) -> Floats:
        """Distinct profiled output sizes, rising."""
        return np.unique([size.output_tokens for size in self.sizes])
