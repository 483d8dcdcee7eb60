"""Starting vLLM as the plan counts on it: weights, precision, tensor-parallel degree, context.

Flags: vLLM's command line reference, "vllm serve" (--tensor-parallel-size, --data-parallel-size, --dtype,
--quantization, --max-model-len, --served-model-name).
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from advisor.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from advisor.export.order import Facts, Line, Stand
    from advisor.plan.plan import ServiceLine

ENGINE: Final = "vLLM"
FIRST_PORT: Final = 8000
"""vLLM's own default."""
IMAGE: Final = "vllm/vllm-openai:latest"
"""vLLM's published image; pin the version your throughput was measured with."""

_PRECISION: Final = {
    "bf16": ("--dtype", "bfloat16"),
    "fp16": ("--dtype", "float16"),
    "fp8": ("--quantization", "fp8"),
}
"""Precisions vLLM makes of ordinary weights; for any other the checkpoint itself must be in it."""
_FP8_NOTE: Final = (
    "fp8 is made of 16-bit weights at the start; where those do not fit, name a checkpoint already in fp8 "
    "and drop --quantization."
)


@dataclass(frozen=True, slots=True)
class Seat:
    """One replica's place on an instance."""

    stand: Stand
    first_accelerator: int
    port: int


def weights(service: ServiceLine, facts: Facts) -> str:
    """The publisher's repository of the model, else its id."""
    model = facts.models.get(service.model)
    return printable(model.hf_id if model else service.model)


def checkpoint_note(service: ServiceLine) -> tuple[str, ...]:
    """What to know where the named weights are not in the plan's precision."""
    if service.precision == "fp8":
        return (_FP8_NOTE,)
    if service.precision in _PRECISION:
        return ()
    return (f"The plan counts on {service.precision} weights: name a checkpoint in that precision.",)


def context_tokens(service: ServiceLine, facts: Facts) -> int | None:
    """Tokens the longest planned request may have, within the model's own limit."""
    longest = max((b.input_tokens_max + b.output_tokens_max for b in service.buckets), default=None)
    model = facts.models.get(service.model)
    if longest is None or model is None:
        return longest
    return min(longest, model.max_context)


def arguments(stand: Stand, facts: Facts, *, port: int = FIRST_PORT, copies: int = 1) -> list[str]:
    """Arguments of ``vllm serve`` after the model."""
    service, degree = stand.service, stand.allocation.tensor_parallel
    words = ["--served-model-name", printable(service.model), "--host", "0.0.0.0", "--port", str(port)]  # noqa: S104
    words += ["--tensor-parallel-size", str(degree)]
    words += ["--data-parallel-size", str(copies)] if copies > 1 else []
    words += _PRECISION.get(service.precision, ())
    context = context_tokens(service, facts)
    return words if context is None else [*words, "--max-model-len", str(context)]


def shell(words: Iterable[str]) -> str:
    """Words as one shell command."""
    return " ".join(shlex.quote(word) for word in words)


def seats(line: Line) -> tuple[tuple[Seat, ...], ...] | None:
    """Where each replica runs, per instance; None if they do not fit one after the other.

    Largest degrees first, each on the emptiest instance; exact where each degree divides the next.
    """
    room = [line.purchase.accelerators_per_instance] * line.purchase.instances
    placed: list[list[Seat]] = [[] for _ in room]
    for stand in sorted(line.stands, key=lambda one: -one.allocation.tensor_parallel):
        degree = stand.allocation.tensor_parallel
        for _ in range(stand.allocation.replicas):
            index = max(range(len(room)), key=lambda i: (room[i] >= degree, room[i], -i))
            if room[index] < degree:
                return None
            first = line.purchase.accelerators_per_instance - room[index]
            placed[index].append(Seat(stand, first, FIRST_PORT + len(placed[index])))
            room[index] -= degree
    return tuple(tuple(here) for here in placed)


def not_served(line: Line) -> str | None:
    """Why nothing can be started on the line, if so."""
    if not line.stands:
        return "nothing is planned to run on it"
    engine = next((one.service.engine for one in line.stands if one.service.engine != ENGINE), None)
    return None if engine is None else f"it runs {printable(engine)}: only vLLM is written"
