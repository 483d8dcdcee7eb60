"""`advisor`, and `python -m advisor`: from its first moment on, Ctrl-C ends it in one line."""

import signal

from advisor.cli.interrupt import leave_at_once


def main() -> None:
    """Load the command line, which takes a tenth of a second, and run it."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not where it is ignored
        signal.signal(signal.SIGINT, leave_at_once)
    from advisor.cli.app import main as run

    run()


if __name__ == "__main__":
    main()
