"""Which repository's weights a user means by a model's name.

A profile stands for every checkpoint of a shape; what is served is the one that was named.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from advisor.catalog.model_spelling import plain, unquantised

if TYPE_CHECKING:
    from advisor.domain import Model

_TALKS: Final = ("instruct", "chat", "it", "thinking", "distill", "coder")
"""Words in a repository's name that say it was tuned to converse."""
_ENDING: Final = re.compile(r"(?:-hf|-v\d[\d.]*|-\d{4})+$")
"""What publishers add and users leave out: ``-hf``, a version, a date."""


def repository(model: Model, named: str) -> str:
    """The repository of a model's name as a user wrote it.

    A name with a publisher is one already; what a name alone says of quantisation is left to whoever names
    the repository that has it. Else the catalog's repositories of the model are gone through, the most
    literal first; ``Qwen2.5-3B-Instruct``, which is none of them, is of the publisher of ``Qwen/Qwen2.5-3B``.
    """
    known = (model.hf_id, *(alias for alias in model.aliases if "/" in alias))
    if "/" in named:
        return next((one for one in known if _key(one) == _key(named)), named.strip())
    named = unquantised(named.strip())
    wanted = _key(named)
    if wanted == _key(model.id):
        return model.hf_id
    for same in (_key, _short):
        for one in known:
            if same(_own(one)) == wanted:
                return one
    publisher, _, stem = model.hf_id.partition("/")
    base = _short(stem).removesuffix("base")
    return f"{publisher}/{named}" if wanted.startswith(base) else model.hf_id


def is_base(model: Model, checkpoint: str) -> bool:
    """Whether a checkpoint is known to be untuned: a sibling is tuned to converse, and it is not.

    Untuned weights come without a chat template, as a rule.
    """
    known = (model.hf_id, *model.aliases)
    stem = _short(_own(checkpoint)).removesuffix("base")
    tuned = any(_talks(one) and stem in _key(_own(one)) for one in known)
    return not _talks(checkpoint) and (tuned or "base" in _words(checkpoint))


def _talks(name: str) -> bool:
    return not set(_TALKS).isdisjoint(_words(name))


def _words(name: str) -> list[str]:
    return re.split(r"[-_.]", _own(name).casefold())


def _own(repository: str) -> str:
    return repository.rpartition("/")[2]


def _short(name: str) -> str:
    return _key(_ENDING.sub("", plain(name).removeprefix("meta-")))


def _key(name: str) -> str:
    return plain(name).replace("-", "")
