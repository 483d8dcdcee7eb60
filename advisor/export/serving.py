"""Starting the engines as the plan counts on it: weights, precision, degree, context, batch."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from advisor.catalog.checkpoints import is_base
from advisor.catalog.model_spelling import stated_precision
from advisor.export.engines import ENGINES, EngineKind, Start
from advisor.export.order import repository_of
from advisor.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from advisor.export.order import Facts, Line, Stand
    from advisor.plan.plan import ServiceLine

FIRST_PORT: Final = 8000
"""vLLM's own default; the other engines are given it."""
HEALTH: Final = "/health"
"""Answers 200 once an engine serves; asks for no key."""


@dataclass(frozen=True, slots=True)
class Seat:
    """One replica's place on an instance."""

    stand: Stand
    first_accelerator: int
    port: int


def weights(service: ServiceLine, facts: Facts) -> str:
    """The repository of the checkpoint asked for, on one printable line."""
    return printable(repository_of(service, facts))


def stored_precision(service: ServiceLine, facts: Facts) -> str:
    """In which the checkpoint's weights are stored: as its name says, as released, else 16 bits."""
    model = facts.models.get(service.model)
    released = model.released_precision if model else None
    return stated_precision(weights(service, facts)) or released or "bf16"


def kind_of(stand: Stand) -> EngineKind:
    """The engine that the replicas run."""
    return ENGINES[stand.service.engine]


def has_key(stand: Stand) -> bool:
    """Whether the engine can ask callers for a key."""
    return bool(kind_of(stand).key_words)


def version_of(stand: Stand) -> str:
    """Of the engine: the profile's, else the newest the evidence names."""
    return stand.replayed.engine_version or kind_of(stand).newest


def image_of(stand: Stand) -> str:
    """The engine's published image, of the version the throughput rests on."""
    return printable(kind_of(stand).image.format(version=version_of(stand)))


def serving_notes(stand: Stand, facts: Facts) -> tuple[str, ...]:
    """What to know of the weights and the engine before they are started."""
    service, found = stand.service, [_version_note(stand)]
    model, stored = facts.models.get(service.model), stored_precision(service, facts)
    if model is not None and is_base(model, weights(service, facts)):
        found.append("base weights were asked for: they have no chat template, so /v1/completions alone")
    if service.precision not in (stored, *kind_of(stand).makes):
        found.append(f"The plan counts on {service.precision} weights: name a checkpoint in that precision.")
    elif service.precision == "fp8" != stored:
        found.append(_FP8_NOTE)
    if service.traffic.lora_adapters:
        found.append(f"the plan keeps {service.traffic.lora_adapters} LoRA adapters loaded: name them")
    if service.engine == "TensorRT-LLM" and stand.replayed.kv_precision == "fp8":
        found.append("planned with an fp8 KV cache, which TensorRT-LLM takes from the checkpoint")
    return tuple(printable(words) for words in found if words)


_FP8_NOTE: Final = (
    "fp8 is made of 16-bit weights at the start; where those do not fit, name a checkpoint already in fp8 "
    "and drop --quantization."
)


def _version_note(stand: Stand) -> str:
    engine, version = stand.service.engine, version_of(stand)
    if stand.replayed.engine_version:
        return f"throughput was taken with {engine} {version}, which is started"
    return f"no profile names a version of {engine}: {version} is the newest any evidence names"


def context_tokens(service: ServiceLine, facts: Facts) -> int | None:
    """Tokens the longest planned request may have, within the model's own limit."""
    longest = max((b.input_tokens_max + b.output_tokens_max for b in service.buckets), default=None)
    model = facts.models.get(service.model)
    if longest is None or model is None:
        return longest
    return min(longest, model.max_context)


def command(
    stand: Stand, facts: Facts, *, port: int = FIRST_PORT, copies: int = 1, model: str | None = None
) -> list[str]:
    """The whole command that serves one replica, or several copies of it behind one port.

    ``model`` stands in for the repository, as a shell's variable may.
    """
    service, found = stand.service, stand.replayed
    start = Start(
        model=model or weights(service, facts),
        served_name=printable(stand.served_name),
        version=version_of(stand),
        port=port,
        tensor_parallel=stand.allocation.tensor_parallel,
        copies=copies,
        precision=service.precision,
        stored=stored_precision(service, facts),
        kv_precision=found.kv_precision,
        context_tokens=context_tokens(service, facts),
        max_sequences=found.max_sequences,
        chunk_tokens=found.chunk_tokens,
    )
    return kind_of(stand).words(start)


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


@dataclass(frozen=True, slots=True)
class Work:
    """Instances of a line on which the same replicas run."""

    name: str  #: a DNS label; the line's own for the first
    seats: tuple[Seat, ...]
    instances: int


def works(line: Line) -> list[Work]:
    """The line's instances by what runs on them; empty where replicas do not fit one after the other."""
    alike: dict[tuple[tuple[str, int], ...], list[tuple[Seat, ...]]] = {}
    for here in seats(line) or ():
        alike.setdefault(tuple((seat.stand.name, seat.first_accelerator) for seat in here), []).append(here)
    return [
        Work(line.name if number == 1 else f"{line.name}-part-{number}", same[0], len(same))
        for number, same in enumerate(alike.values(), start=1)
    ]


def crowded(line: Line) -> str | None:
    """Why replicas have no place of their own on the line's instances, if so."""
    return None if seats(line) else "its replicas do not fit its instances one after the other"


def uneven(line: Line) -> str | None:
    """Why not every instance of the line runs one thing behind one port, if so."""
    if len(line.stands) > 1:
        return "its instances run several services or degrees; use --to skypilot"
    (stand,) = line.stands
    copies, rest = divmod(stand.allocation.replicas, line.purchase.instances)
    if rest:
        return "its instances do not all run the same number of replicas; use --to skypilot"
    if copies > 1 and not kind_of(stand).data_parallel:
        return f"{printable(stand.service.engine)} runs one replica behind a port; use --to skypilot"
    return None


def not_served(line: Line) -> str | None:
    """Why nothing can be started on the line, if so."""
    if not line.stands:
        return "nothing is planned to run on it"
    engine = next((one.service.engine for one in line.stands if one.service.engine not in ENGINES), None)
    return None if engine is None else f"it runs {printable(engine)}: only {', '.join(ENGINES)} are written"
