"""How long one engine step takes: affine in context and prompt tokens, any rising function of the batch.

::

    step(n, K, prompts) = base[n] + context · K + Σ over prompt chunks (token · (b − a) + pair · (b² − a²))

``n`` sequences decode with ``K`` tokens of context between them; a chunk reads tokens ``a`` to ``b`` of a
prompt. ``base`` is a table, so a mixture of experts or a jump at some batch size costs nothing extra. Since
the batch stands still between events and every step adds ``n`` to ``K``, ``m`` decode steps have a closed
form: an arithmetic series. The work of a replay is therefore per event, not per token.

Vidur (Agrawal et al., MLSys 2024, arXiv:2405.05465) and roofline models agree on these terms: weights and
launches once per step, KV cache per token of context, matrices per prompt token, attention per pair of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StepTimes:
    """Seconds of an engine step; see the module's equation."""

    base_s: tuple[float, ...]  #: by sequences decoding, from 0 to the largest batch
    context_s: float  #: per token of context in the batch
    token_s: float  #: per prompt token
    pair_s: float  #: per squared prompt token
    front_s: float = 0.0  #: added once per request before its first token, on no accelerator

    def __post_init__(self) -> None:
        if len(self.base_s) < 2 or min(self.base_s) <= 0:
            raise ValueError("a step takes time, with and without sequences")
        if min(self.context_s, self.token_s, self.pair_s, self.front_s) < 0:
            raise ValueError("no part of a step takes negative time")

    @property
    def max_sequences(self) -> int:
        """Largest batch the table knows."""
        return len(self.base_s) - 1

    def decode_s(self, sequences: int, context_tokens: float, steps: int = 1) -> float:
        """Seconds of ``steps`` decode steps of a batch that starts with ``context_tokens``."""
        grown = sequences * steps * (steps - 1) / 2
        return steps * self.base_s[sequences] + self.context_s * (steps * context_tokens + grown)

    def prompt_s(self, start: int, stop: int) -> float:
        """Seconds a step takes longer for reading tokens ``start`` to ``stop`` of a prompt."""
        return self.token_s * (stop - start) + self.pair_s * (stop * stop - start * start)

    def steps_until(self, sequences: int, context_tokens: float, seconds: float) -> int:
        """The least whole number of decode steps, at least one, that take ``seconds`` or longer."""
        square = self.context_s * sequences / 2
        linear = self.base_s[sequences] + self.context_s * context_tokens - square
        if square > 0:
            root = 2 * seconds / (linear + math.sqrt(linear * linear + 4 * square * seconds))
        else:
            root = seconds / linear
        steps = max(int(root), 1)
        while self.decode_s(sequences, context_tokens, steps) < seconds:
            steps += 1
        return steps
