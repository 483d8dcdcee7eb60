"""Rows of models' shapes: the collected ones, then those of ``more_models.csv`` beside this file.

``more_models.csv`` has the columns of the collected file. Its figures come from published configurations
(each row's ``source``); parameters are counted from them: embedding and output matrix (once where tied), and
per layer the attention's matrices and the feed-forward's (three, two without a gate; of every expert, of the
experts a token passes, and of the router). The same count gives the collected figures of DeepSeek-V3,
Qwen3-235B-A22B and Kimi-K2 to the last digit.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from catalogs.build.source import read_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from catalogs.build.source import SourceRow

MORE: Final = Path(__file__).resolve().parent / "more_models.csv"


def model_rows(source: Path, columns: Sequence[str] = ("name",)) -> list[SourceRow]:
    """Every model; where both files have one, as it was collected.

    Raises:
        InputFileError: the collected file is missing or lacks one of ``columns``.
    """
    collected = read_rows(source / "models.csv", columns)
    known = {row.text("name") for row in collected}
    return [*collected, *(row for row in read_rows(MORE) if row.text("name") not in known)]
