"""Several files written to a folder: all of them, or none."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from advisor.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from advisor.export.bundle import File


def write_folder(files: Sequence[File], folder: Path, *, force: bool) -> None:
    """Put every file in the folder, which is made if need be; other files in it are left alone.

    The files are written beside the folder first and moved when all of them are whole; a move that fails
    takes the others back.

    Raises:
        UsageError: a file is there already and ``force`` is not given, or the folder cannot be written.
    """
    folder = folder.absolute()
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file; name a folder")
    there = [file.name for file in files if os.path.lexists(folder / file.name)]
    if there and not force:
        raise UsageError(f"{folder} has {', '.join(there)} already; --force replaces them")
    try:
        new = not folder.exists()
        workshop = Path(tempfile.mkdtemp(dir=folder.parent if new else folder, prefix=".writing-"))
        try:
            for file in files:
                _write(workshop / "new" / file.name, file.text)
            if new:
                (workshop / "new").rename(folder)
            else:
                _move(files, workshop, folder)
        finally:
            shutil.rmtree(workshop, ignore_errors=True)
    except OSError as error:
        raise UsageError(f"cannot write {folder}: {error.strerror or error}") from error


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())


def _move(files: Sequence[File], workshop: Path, folder: Path) -> None:
    """Each into its place; on trouble, what stood there before returns."""
    placed: list[str] = []
    try:
        for file in files:
            target, kept = folder / file.name, workshop / "old" / file.name
            target.parent.mkdir(parents=True, exist_ok=True)
            if os.path.lexists(target):
                kept.parent.mkdir(parents=True, exist_ok=True)
                target.rename(kept)
            placed.append(file.name)
            (workshop / "new" / file.name).rename(target)
    except BaseException:
        for name in placed:
            (folder / name).unlink(missing_ok=True)
            if os.path.lexists(workshop / "old" / name):
                (workshop / "old" / name).rename(folder / name)
        raise
