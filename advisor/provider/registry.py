"""Finding adapters: by entry point, built-in and third-party alike."""

from __future__ import annotations

from importlib import metadata
from typing import TYPE_CHECKING, Final, cast

from advisor.errors import ProviderError, UnknownName

if TYPE_CHECKING:
    from collections.abc import Iterable

    from advisor.provider.contract import Provider

ENTRY_POINT_GROUP: Final = "advisor.providers"


def registered(entry_points: Iterable[metadata.EntryPoint] | None = None) -> tuple[str, ...]:
    """Names of all registered providers, sorted. Imports none of them."""
    return tuple(sorted({point.name for point in _points(entry_points)}))


def load_provider(name: str, entry_points: Iterable[metadata.EntryPoint] | None = None) -> type[Provider]:
    """The adapter class registered under this name; only its module is imported.

    Raises:
        UnknownName: nobody registered it.
        ProviderError: it is registered twice, cannot be imported, or does not keep the contract.
    """
    points = _points(entry_points)
    targets = sorted({point.value for point in points if point.name == name})
    if not targets:
        raise UnknownName("provider", name, [point.name for point in points])
    if len(targets) > 1:
        raise ProviderError(f"provider '{name}' is registered twice: {' and '.join(targets)}; uninstall one")
    point = next(point for point in points if point.name == name)
    try:
        loaded = point.load()
    except Exception as error:  # a third party's module may raise anything on import
        raise ProviderError(
            f"provider '{name}' cannot be loaded from {point.value}: {_said(error)}"
        ) from error
    wanted = ("name", "permissions", "from_env", "collect")
    lacks = [attribute for attribute in wanted if not hasattr(loaded, attribute)]
    if lacks:
        raise ProviderError(f"provider '{name}' ({point.value}) has no {', '.join(lacks)}")
    if loaded.name != name:
        raise ProviderError(f"provider '{name}' ({point.value}) calls itself '{loaded.name}'")
    return cast("type[Provider]", loaded)


def _points(entry_points: Iterable[metadata.EntryPoint] | None) -> tuple[metadata.EntryPoint, ...]:
    return tuple(metadata.entry_points(group=ENTRY_POINT_GROUP) if entry_points is None else entry_points)


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:200]
