"""One copy of a model: what runs, on what, how it is spread, and for which traffic.

Every question about throughput is about a :class:`Replica`, whoever asks: the planner, ``profile show``,
``estimate``, ``compare`` and ``fit``, an import, a replay.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from advisor.domain import PLAIN_TRAFFIC, EvidenceKind, NoThroughput
from advisor.profiles import memory, roofline
from advisor.profiles.engines import ANY, WHICHEVER, Engine
from advisor.profiles.equivalence import precision_class

if TYPE_CHECKING:
    from advisor.domain import Accelerator, Model, Traffic
    from advisor.profiles.evidence import Profile
    from advisor.profiles.memory import MemoryAccount
    from advisor.profiles.roofline import Work

ANY_ENGINE_ID: Final = f"{ANY}-engine"
"""In the id of an estimate: asked of whichever engine."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How one copy is spread over accelerators."""

    tensor_parallel: int = 1  #: ways every layer is split

    @property
    def accelerators(self) -> int:
        """How many one copy takes."""
        return self.tensor_parallel


ONE_CHIP: Final = Shape()


@dataclass(frozen=True, slots=True)
class Replica:
    """One copy of a model and all that decides how fast it is."""

    model: Model
    precision: str  #: of the weights
    accelerator: Accelerator
    shape: Shape = ONE_CHIP
    engine: Engine = WHICHEVER
    kv_precision: str | None = None  #: of the KV cache; None: the engine's own choice
    traffic: Traffic = PLAIN_TRAFFIC

    @property
    def tensor_parallel(self) -> int:
        """Ways every layer is split."""
        return self.shape.tensor_parallel

    @property
    def cache(self) -> str:
        """Precision of the KV cache: as said, else as the engine chooses."""
        return self.kv_precision or self.engine.kv_precision(self.precision)

    @property
    def bits(self) -> int:
        """Of the arithmetic: 16, 8 or 4."""
        return roofline.arithmetic(self.precision, self.accelerator)[0]

    @property
    def windowed(self) -> bool:
        """Whether the KV cache keeps only the window of layers that slide.

        vLLM's hybrid KV cache manager does by default; others need a setting, and are charged for it all.
        Source: vLLM docs, "Hybrid KV Cache Manager" (v0.9.2, 2025, and later).
        """
        return self.engine == Engine("vLLM")

    def with_plain_traffic(self) -> Replica:
        """The same as if nothing were known of its requests but their lengths."""
        return self if self.traffic.is_plain else replace(self, traffic=PLAIN_TRAFFIC)

    def work(self) -> Work:
        """What one step moves and computes.

        Raises:
            ValueError: the chip's bandwidth or arithmetic is not known.
        """
        return roofline.work_of(
            self.model, self.precision, self.accelerator, self.tensor_parallel, self.cache
        )

    def memory(self) -> MemoryAccount:
        """Where its memory goes, the adapters of its traffic included.

        Raises:
            UnknownName: a precision that is not known.
        """
        return memory.account(
            self.model, self.precision, self.accelerator, self.tensor_parallel, self.cache, self.traffic,
            windowed=self.windowed,
        )  # fmt: skip

    def is_of(self, profile: Profile) -> bool:
        """Whether a profile is of this very replica; an engine left open matches all."""
        return (
            profile.accelerator == self.accelerator.id
            and profile.tensor_parallel == self.tensor_parallel
            and precision_class(profile.precision) == precision_class(self.precision)
            and (self.engine.name is None or self.engine.name.casefold() == profile.engine.casefold())
        )

    def estimate_id(self, version: str) -> str:
        """Id of an estimate of it: everything that depends on but sizes, SLO and traffic."""
        engine = ANY_ENGINE_ID if self.engine.name is None else "-".join(self.engine.name.split())
        parts = (EvidenceKind.ESTIMATED.value, version, self.model.id, self.precision)
        named = engine.replace(":", "-"), self.accelerator.id, f"tp{self.tensor_parallel}"
        return ":".join((*parts, *named)).casefold()


def too_long(replica: Replica, tokens: int, longest: int) -> NoThroughput | None:
    """Why requests of a size cannot be served, if so: longer than the model's context or than the KV cache.

    Args:
        replica: what would serve them.
        tokens: of input and output of the request that stands for the size.
        longest: of the longest request of the size; an engine is set to take those up to the model's context.
    """
    model = replica.model
    if tokens > model.max_context:
        detail = f"{tokens:,} tokens of input and output exceed {model.id}'s context of {model.max_context:,}"
        return NoThroughput("exceeds_context", detail)
    room, longest = replica.memory(), min(longest, model.max_context)
    if not room.fits or longest <= room.longest_context:
        return None  # where weights do not fit by arithmetic, evidence that they did is believed
    return NoThroughput("does_not_fit", f"one request of up to {longest:,} tokens; {room.detail}")
