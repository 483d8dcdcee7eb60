"""Whether a hosted model's id names one of our models and no relative of it.

A name matches where, besides our id, it holds nothing but words of the host (``us.meta.``, ``FW-``) and words
that every publisher puts behind a released chat model (``-Instruct``, ``-it``, ``-v1:0``). A word of
precision is noted. Any other word (a date, ``Thinking``, ``Distill``, a fine-tune's name) makes it another
model.
"""

from __future__ import annotations

import re
from typing import Final

_HOST_WORDS: Final = frozenset({"meta", "fw"})
_RELEASE_WORDS: Final = frozenset({"instruct", "it", "hf", "maas"})
_PRECISION_WORDS: Final = frozenset({"lite", "fp8", "fp4", "fast", "basic"})
_TURBO_HOSTS: Final = frozenset({"together", "deepinfra"})
"""Where ``Turbo`` is a precision; elsewhere it is another model."""
_SHAPE_WORDS: Final = {"Llama-4-Scout": ("17b", "16e"), "Llama-4-Maverick": ("17b", "128e")}

_RELEASE: Final = re.compile(r"-v?1:0$")
_PUBLISHER: Final = re.compile(r"^(?:[a-z-]+\.)+(?=[a-z])")
_POINTS: Final = re.compile(r"(?<=\d)[p_](?=\d)|(?<=llama\d)-(?=\d-)|(?<=llama-\d)-(?=\d-)")
_LLAMA: Final = re.compile(r"(?<=llama)(?:-?v)?(?=\d)")
_BETWEEN_WORDS: Final = re.compile(r"[\s\-_]+")


def canonical(provider: str, model_id: str, model: str) -> tuple[bool, str | None]:
    """Whether the host's id is that of our model, and what it says of precision."""
    left = _words(_RELEASE.sub("", model_id.rpartition("/")[2]))
    for word in _words(model):
        if word not in left:
            return False, None
        left.remove(word)
    left = [word for word in left if word not in _SHAPE_WORDS.get(model, ())]
    precisions = _PRECISION_WORDS | ({"turbo"} if provider in _TURBO_HOSTS else set())
    said = next((word for word in left if word in precisions), None)
    note = None if said is None else f"served by the host in a precision of its own choice ('{said}')"
    return all(word in _HOST_WORDS | _RELEASE_WORDS | precisions for word in left), note


def _words(text: str) -> list[str]:
    """Lower-case words of a name, spelt one way: ``llama-v3p1`` and ``Llama-3_1`` are ``llama 3.1``."""
    lower = _POINTS.sub(".", _PUBLISHER.sub("", text.casefold()))
    return [word for word in _BETWEEN_WORDS.split(_LLAMA.sub("-", lower)) if word]
