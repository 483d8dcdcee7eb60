"""Every format there is, and which one a file is in: told by its content, never by its name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from advisor.documents import require_file
from advisor.errors import InputFileError
from advisor.profiles.importers import (
    aibrix,
    aiconfigurator,
    aiperf,
    guidellm,
    inference_perf,
    measured_csv,
    melange,
    own_profile,
    vllm_bench,
)
from advisor.profiles.importers.reading import Document, ImportedFile

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MAX_BYTES: Final = 256 * 2**20
"""GuideLLM reports hold every request; one of this size has some 100,000."""


class FileFormat(NamedTuple):
    """One tool's way of writing."""

    name: str
    recognises: Callable[[Document], bool]
    read: Callable[[Document], ImportedFile]


FORMATS: Final = (
    FileFormat("advisor profile (JSON)", own_profile.recognises, own_profile.read),
    FileFormat("vllm bench serve (JSON)", vllm_bench.recognises, vllm_bench.read),
    FileFormat("GuideLLM (JSON)", guidellm.recognises, guidellm.read),
    FileFormat("inference-perf (stage JSON)", inference_perf.recognises, inference_perf.read),
    FileFormat("AIPerf or genai-perf (profile_export JSON or CSV)", aiperf.recognises, aiperf.read),
    FileFormat("Mélange (config, printed benchmark)", melange.recognises, melange.read),
    FileFormat("AIBrix (benchmark lines, profile)", aibrix.recognises, aibrix.read),
    FileFormat("aiconfigurator (CSV)", aiconfigurator.recognises, aiconfigurator.read),
    FileFormat("CSV", measured_csv.recognises, measured_csv.read),
)


def read_text(name: str, text: str) -> ImportedFile:
    """What a text states.

    Raises:
        InputFileError: no format recognises it, or a field holds what it cannot hold.
    """
    document = Document(name, text)
    for form in FORMATS:
        if form.recognises(document):
            reading = form.read(document)
            if not reading.rows:
                raise InputFileError(name, "", "no load point", f"{form.name} with at least one measurement")
            return reading
    shown = text.strip()[:40] or "nothing"
    raise InputFileError(name, "", shown, f"known formats: {'; '.join(form.name for form in FORMATS)}")


def read_file(path: Path) -> ImportedFile:
    """What a file states.

    Raises:
        InputFileError: it cannot be read, or see :func:`read_text`.
    """
    require_file(path)
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise InputFileError(str(path), "", error.strerror, "a readable file is needed") from error
    if len(content) > MAX_BYTES:
        raise InputFileError(
            str(path), "", f"more than {MAX_BYTES} bytes", "a smaller report, without requests"
        )
    try:
        return read_text(path.name, content.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise InputFileError(str(path), "", "not UTF-8", "a text file is needed") from None
