"""Terraform's JSON syntax. Text from outside cannot become a template."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from advisor.text import printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Body = dict[str, Any]
"""What stands in a block: arguments, and inner blocks by their type."""

COMMENT = "//"
"""A key that Terraform passes over in every block."""


@dataclass(frozen=True, slots=True)
class Expression:
    """Code of ours, written as it is; never text from outside."""

    code: str


def terraform_json(heads: Sequence[str], module: Mapping[str, Any]) -> str:
    """A ``.tf.json`` file: blocks by type, then by their labels."""
    return json.dumps(_value({COMMENT: list(heads), **module}), indent=2, ensure_ascii=False) + "\n"


def quoted(text: str) -> str:
    """A string literal inside an expression; templates in it are spelt out, not run."""
    return json.dumps(_plain(text), ensure_ascii=False)


def variables(**declared: tuple[Any, ...]) -> dict[str, Body]:
    """Input variables: type, description and, where there is one, the default."""
    keys = ("type", "description", "default")
    return {name: dict(zip(keys, said, strict=False)) for name, said in declared.items()}


def _value(value: Any) -> Any:
    if isinstance(value, Expression):
        return f"${{{value.code}}}"
    if isinstance(value, str):
        return _plain(value)
    if isinstance(value, dict):
        return {_plain(key): _value(item) for key, item in value.items()}
    return [_value(item) for item in value] if isinstance(value, list) else value


def _plain(text: str) -> str:
    return printable(text).replace("${", "$${").replace("%{", "%%{")
