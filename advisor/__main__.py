"""`advisor`, and `python -m advisor`: from its first moment on, Ctrl-C ends it in one line."""

import gc
import signal

from advisor.cli.interrupt import leave_at_once

GC_THRESHOLDS = (100_000, 20, 100)
"""Objects made, and younger collections, before rubbish is looked for: a command makes little and soon ends,
and looking through all that was imported took a twelfth of its time."""


def main() -> None:
    """Load the command line, which takes a tenth of a second, and run it."""
    gc.set_threshold(*GC_THRESHOLDS)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not where it is ignored
        signal.signal(signal.SIGINT, leave_at_once)
    from advisor.cli.app import main as run

    run()


if __name__ == "__main__":
    main()
