"""The script an instance runs at its first boot: every replica as a container that restarts by itself.

Images with Docker and NVIDIA's container toolkit are assumed. The hub's token is fetched from the cloud's own
store of secrets and stands in no file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from advisor.export.serving import command, image_of, shell
from advisor.export.terraform_json import Expression, quoted

if TYPE_CHECKING:
    from advisor.export.order import Facts
    from advisor.export.serving import Seat, Work

CACHE: Final = "/var/lib/weights"
IMAGE_NEEDS: Final = "with NVIDIA drivers, Docker and NVIDIA's container toolkit"


def user_data(work: Work, facts: Facts, *prepare: str, fetched: str, encoded: bool) -> Expression:
    """The script as Terraform's expression.

    ``prepare`` are commands that come first and may change ``$cache``; ``fetched`` is ``variable: command``,
    the command printing the secret that the variable names, which is ``$name`` in it.
    """
    variable, _, fetch = fetched.partition(": ")
    lines = [quoted("#!/bin/bash"), quoted("set -euo pipefail"), quoted(f"cache={CACHE}")]
    lines += [quoted(words) for words in prepare]
    lines += [f"\"name='${{var.{variable}}}'\"", quoted("export HF_TOKEN=")]
    lines += [quoted(f'if [ -n "$name" ]; then HF_TOKEN=$({fetch}); fi')]
    lines += [quoted(_start(seat, facts)) for seat in work.seats]
    joined = f'join("\\n", [{", ".join(lines)}])'
    return Expression(f"base64encode({joined})" if encoded else joined)


def _start(seat: Seat, facts: Facts) -> str:
    degree = seat.stand.allocation.tensor_parallel
    devices = ",".join(str(seat.first_accelerator + offset) for offset in range(degree))
    program, *words = command(seat.stand, facts, port=seat.port)
    around = ["docker", "run", "-d", "--restart", "always", "--name", f"engine-{seat.port}"]
    around += ["--gpus", f'"device={devices}"', "--ipc", "host", "--network", "host", "-e", "HF_TOKEN"]
    mounted = '-v "$cache":/root/.cache/huggingface'
    return f"{shell(around)} {mounted} {shell(['--entrypoint', program, image_of(seat.stand), *words])}"
