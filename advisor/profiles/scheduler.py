"""How an engine's scheduler was started: its caps on batch and step, and what it does with prompts.

Throughput below the caps does not depend on them; waiting at high load does. A profile says them where its
source does, a replay may be told others, and what nobody says is the engine's default.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from advisor.domain import Accelerator

_LARGE_MEMORY_GB: Final = 75.0
"""Of cards of 70 GiB and more, in the decimal gigabytes of data sheets."""

CHUNK_TOKENS: Final = 2048
"""Tokens one step may process where nothing is known of the chip."""


@dataclass(frozen=True, slots=True)
class Scheduler:
    """Settings under vLLM's names; None is not said."""

    max_num_seqs: int | None = None  #: largest batch
    max_num_batched_tokens: int | None = None  #: tokens a step may process, decoded ones included
    chunked_prefill: bool | None = None  #: whether a prompt may be read over several steps
    prefix_caching: bool | None = None  #: whether prompts that begin alike are read once

    @property
    def stated(self) -> dict[str, Any]:
        """What is said, by name."""
        found = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: value for name, value in found.items() if value is not None}

    def over(self, other: Scheduler) -> Scheduler:
        """This one, completed by another."""
        return Scheduler(**{**other.stated, **self.stated})


AS_IT_CHOOSES: Final = Scheduler()
"""Nothing is said."""

SETTING_TYPES: Final = {
    "max_num_seqs": "INTEGER",
    "max_num_batched_tokens": "INTEGER",
    "chunked_prefill": "BOOLEAN",
    "prefix_caching": "BOOLEAN",
}
"""As columns of a stored profile, which has those that are stated."""

SETTINGS: Final = tuple(SETTING_TYPES)


def default_scheduler(chip: Accelerator) -> Scheduler:
    """What vLLM's API server chooses for a chip where nobody asks for another number.

    Engines whose defaults differ (SGLang and TensorRT-LLM admit as many or more) are taken to be started
    alike. Source: vLLM, ``EngineArgs.get_batch_defaults`` (0.11 to 0.32; from 0.32 on a step on 160 GiB and
    more takes 16,384 tokens, but no profile at hand is that young); InferenceMAX sets the same.
    """
    if chip.memory_gb >= _LARGE_MEMORY_GB and not chip.id.startswith("a100"):
        return Scheduler(1024, 8192, chunked_prefill=True, prefix_caching=True)
    return Scheduler(256, CHUNK_TOKENS, chunked_prefill=True, prefix_caching=True)


def strictest(found: Iterable[Scheduler]) -> Scheduler:
    """Of several, each setting where any says it: the least cap, and off where one is off."""
    said: dict[str, Any] = {}
    for one in found:
        for name, value in one.stated.items():
            said[name] = min(value, said.get(name, value))
    return Scheduler(**said)
