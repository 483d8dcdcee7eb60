"""What the commands of `advisor profile` have in common: options, and the evidence they read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from advisor.errors import UsageError

if TYPE_CHECKING:
    from advisor.profiles.query import ProfileStore

EngineVersionOption = Annotated[str | None, typer.Option(help="Its version.")]


def own_folder() -> Path:
    """Where the user's profiles live."""
    from advisor.catalog.store import advisor_home
    from advisor.profiles.own_store import FOLDER

    return advisor_home() / FOLDER


def profile_store() -> ProfileStore:
    """The package's evidence and the user's."""
    from advisor.profiles.query import ProfileStore

    return ProfileStore.load(own=own_folder())


def positive_ms(option: str, value: float | None) -> float | None:
    """A limit as given, or none.

    Raises:
        UsageError: not a positive number.
    """
    if value is not None and not 0 < value < 1e9:
        raise UsageError(f"{option}: {value:g} is not allowed; a positive number of milliseconds is")
    return value


def rising_numbers(option: str, text: str | None) -> tuple[float, ...]:
    """Rising whole numbers, comma-separated."""
    if text is None:
        return ()
    words = text.split(",")
    numbers = [int(word) for word in words if word.strip().isdecimal() and len(word) < 9]
    if len(numbers) != len(words) or numbers != sorted(set(numbers)) or numbers[0] < 1:
        raise UsageError(f"{option}: {text!r} is not allowed; rising whole numbers, e.g. 25,100,250, are")
    return tuple(float(number) for number in numbers)


def request_sizes(text: str | None) -> tuple[tuple[int, int], ...]:
    """``1000x250,4000x250`` or, by default, every size of the bucket grid."""
    if text is None:
        from advisor.workload.buckets import DEFAULT_INPUT_EDGES, DEFAULT_OUTPUT_EDGES

        return tuple((i, o) for i in DEFAULT_INPUT_EDGES for o in DEFAULT_OUTPUT_EDGES)
    pairs = [word.strip().partition("x") for word in text.split(",")]
    if not all(i.isdecimal() and o.isdecimal() and int(i) > 0 and int(o) > 1 for i, _, o in pairs):
        raise UsageError(
            f"--sizes: {text!r} is not allowed; INxOUT, e.g. 1000x250,4000x250, is (2 tokens out or more)"
        )
    return tuple((int(i), int(o)) for i, _, o in pairs)


def precision_id(name: str) -> str:
    """A precision as the catalog spells it.

    Raises:
        UnknownName: there is no such precision.
    """
    from advisor.profiles.memory import precision_of

    folded = name.strip().casefold()
    precision_of(folded)
    return folded
