"""Terraform's language, laid out as `terraform fmt` does. Text from outside cannot leave its quotes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from advisor.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Expression:
    """Code of ours, written as it is; never text from outside."""

    code: str


@dataclass(frozen=True, slots=True)
class Block:
    """A block: its type, labels, arguments, then the blocks inside it."""

    kind: str
    labels: tuple[str, ...] = ()
    arguments: Mapping[str, Any] = field(default_factory=dict)
    blocks: tuple[Block, ...] = ()
    comments: tuple[str, ...] = ()


def hcl(heads: Sequence[str], blocks: Sequence[Block]) -> str:
    """A file."""
    parts = ["\n".join(_comments(heads, 0))]
    parts.extend("\n".join(_block(block, 0)) for block in blocks)
    return "\n\n".join(parts) + "\n"


def quoted(text: str) -> str:
    """A string literal; templates in it are spelt out, not run."""
    plain = printable(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{plain.replace("${", "$${").replace("%{", "%%{")}"'


def _comments(lines: Sequence[str], indent: int) -> list[str]:
    return [f"{' ' * indent}# {printable(line)}".rstrip() for line in lines]


def _block(block: Block, indent: int) -> Iterator[str]:
    pad = " " * indent
    yield from _comments(block.comments, indent)
    head = " ".join([block.kind, *map(quoted, block.labels)])
    if not block.arguments and not block.blocks:
        yield f"{pad}{head} {{}}"
        return
    yield f"{pad}{head} {{"
    yield from _arguments(block.arguments, indent + 2)
    for number, inner in enumerate(block.blocks):
        if number or block.arguments:
            yield ""
        yield from _block(inner, indent + 2)
    yield f"{pad}}}"


def _arguments(arguments: Mapping[str, Any], indent: int) -> Iterator[str]:
    """Neighbours on one line each have their equal signs in a column; a longer value stands apart."""
    pad, run = " " * indent, list[tuple[str, str]]()
    first = True
    for name, value in arguments.items():
        if isinstance(value, dict) and value:
            yield from _run(run, pad)
            if not first:
                yield ""
            yield f"{pad}{name} = {{"
            yield from _arguments({_key(key): item for key, item in value.items()}, indent + 2)
            yield f"{pad}}}"
            run = []
        else:
            if not first and not run:
                yield ""
            run.append((name, _value(value)))
        first = False
    yield from _run(run, pad)


def _run(run: Sequence[tuple[str, str]], pad: str) -> Iterator[str]:
    width = max((len(name) for name, _ in run), default=0)
    for name, value in run:
        yield f"{pad}{name:<{width}} = {value}"


def _key(key: str) -> str:
    return key if key.isidentifier() and key.isascii() else quoted(key)


def _value(value: object) -> str:
    if isinstance(value, Expression):
        return value.code
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    if value == {}:
        return "{}"
    raise TypeError(value)
