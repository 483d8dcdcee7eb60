"""Make the pictures of the README: real runs of the commands, and the HTML report in a real browser.

    python docs/screenshots.py              # writes docs/images/*.svg, and *.png where Chromium is installed

Terminal pictures are what Rich itself would show. The browser is ``chromium`` or ``google-chrome``, headless;
without one the report is left out and said so, with exit code 2. The clock is pinned, as for the README's
examples.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images"
WIDTH = 100
PINNED = {
    "SOURCE_DATE_EPOCH": "1795305600",
    "COLUMNS": str(WIDTH),
    "FORCE_COLOR": "1",
}  # 2026-11-22T00:00:00Z
ADVISOR = (sys.executable, "-m", "advisor")
TERMINAL = {
    "recommend": (42, ("recommend", "--region", "us-east-1")),
}
"""Picture -> (lines shown, command)."""
REPORT = (("report-light", "0", 1250), ("report-dark", "1", 1250))
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def main() -> int:
    """Write every picture; 0, or 2 where there is no browser."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        environment = {**os.environ, **PINNED, "ADVISOR_HOME": str(folder / "home")}
        environment.pop("NO_COLOR", None)
        for picture, (lines, words) in TERMINAL.items():
            terminal(picture, lines, words, environment)
        browser = next(filter(None, map(shutil.which, BROWSERS)), None)
        if browser is None:
            sys.stderr.write("no Chromium found: the report's pictures were left as they are\n")
            return 2
        report(browser, folder, environment)
    return 0


def terminal(picture: str, lines: int, words: tuple[str, ...], environment: dict[str, str]) -> None:
    """The first lines of what a command prints, as SVG."""
    printed = run((*ADVISOR, *words), environment).splitlines()
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    console.print(Text(f"$ advisor {' '.join(words)}", style="bold"))
    for line in printed[:lines]:
        console.print(Text.from_ansi(line))
    svg = console.export_svg(title="advisor", unique_id=picture)
    (IMAGES / f"{picture}.svg").write_text(svg, encoding="utf-8")


def report(browser: str, folder: Path, environment: dict[str, str]) -> None:
    """The first screen of the HTML report, light and dark."""
    plan, page = folder / "plan.json", folder / "report.html"
    question = ("--region", "us-*", "--model", "Llama-3.1-70B", "--precision", "fp8", "--rate", "12")
    run((*ADVISOR, "recommend", *question, "--format", "json", "-o", str(plan)), environment)
    run((*ADVISOR, "report", str(plan), "-o", str(page)), environment)
    for picture, dark, height in REPORT:
        run(
            (
                browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                f"--user-data-dir={folder}/{picture}", f"--window-size=1100,{height}",
                f"--blink-settings=preferredColorScheme={1 - int(dark)}",
                f"--screenshot={IMAGES / picture}.png", page.as_uri(),
            ),
            environment,
        )  # fmt: skip


def run(command: tuple[str, ...], environment: dict[str, str]) -> str:
    """What a command prints; it must succeed."""
    done = subprocess.run(  # noqa: S603 - our own commands
        command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=180, check=False
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\nexit {done.returncode}\n{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    raise SystemExit(main())
