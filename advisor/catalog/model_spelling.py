"""How people spell a model: repository names of tuned and quantised siblings, which have one shape.

``RedHatAI/Meta-Llama-3.1-8B-Instruct-quantized.w4a16`` has the shape of ``Meta-Llama-3.1-8B``, and the name
says in what its weights are stored.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_TUNED: Final = ("-instruct", "-chat", "-it", "-hf", "-base", "-thinking")
"""Endings of a repository name that change weights but never a model's shape."""

_STORED: Final = (
    ("nvfp4", "fp4"), ("mxfp4", "mxfp4"), ("fp4", "fp4"), ("fp8", "fp8"), ("w8a8", "int8"),
    ("gptq-int8", "int8"), ("int8", "int8"), ("w4a16", "int4"), ("awq-int4", "int4"), ("awq", "int4"),
    ("gptq-int4", "int4"), ("gptq", "int4"), ("int4", "int4"), ("bf16", "bf16"), ("fp16", "fp16"),
)  # fmt: skip
"""Words in an ending that say how weights are stored -> precision, the first that is there."""

_QUANTISED: Final = re.compile(
    r"[-.](?:quantized\.|modelopt-)?(?:nvfp4|mxfp4|fp4|fp8|w8a8|w4a16|awq-int4|awq|gptq-int[48]|gptq|int[48]|bf16|fp16)"
    r"(?:-dynamic|-block|-kv|-static|-g128|-pertensor)*$"
)
_DATED: Final = re.compile(r"-(?:[01]\d[0-3]\d|2[3-9](?:0[1-9]|1[0-2]))$")  # -0528, -2507


def spellings(name: str) -> Iterator[str]:
    """A model's own spelling, then the same without each ending that marks a fine-tune."""
    text = plain(name)
    yield _joined(text)
    for ending in _TUNED:
        if text.endswith(ending):
            yield from spellings(text.removesuffix(ending))


def asked(name: str) -> Iterator[str]:
    """What a user's spelling may mean, the most literal first: :func:`spellings` of it and of what is left
    without publisher, quantisation and date."""
    text = plain(name)
    while True:
        yield from spellings(text)
        if "/" in text:
            yield from spellings(text.rpartition("/")[2])
        shorter = _DATED.sub("", _QUANTISED.sub("", text))
        for ending in _TUNED:
            shorter = shorter.removesuffix(ending)
        if shorter == text:
            return
        text = shorter


def unquantised(name: str) -> str:
    """A name without what it says of how its weights are stored."""
    found = _QUANTISED.search(name.casefold())
    return name[: found.start()] if found else name


def stated_precision(name: str) -> str | None:
    """What a model's name says of how its weights are stored: ``int4`` of ``…-AWQ``; None where nothing."""
    text = _DATED.sub("", plain(name))
    for ending in _TUNED:
        text = text.removesuffix(ending)
    found = _QUANTISED.search(text)
    return found and next(precision for word, precision in _STORED if word in found.group())


def plain(name: str) -> str:
    """Lower case, one kind of dash, and Llama 3_1 for what everybody else calls 3.1."""
    text = re.sub(r"(?<=\d)_(?=\d)", ".", name.strip().casefold())
    return re.sub(r"[\s_]+", "-", text)


def _joined(text: str) -> str:
    """Without dashes: ``llama3-8b`` is ``llama-3-8b``."""
    return text.replace("-", "")
