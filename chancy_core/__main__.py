"""What `chancy` and `python -m chancy_core` start: it sees to Ctrl-C before anything else is imported."""

import signal

if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    # Until there is something to clean up: see chancy_core.cli.interrupts.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def main() -> None:
    """Run the `chancy` command."""
    from chancy_core.cli import main as run  # noqa: PLC0415

    run()


if __name__ == "__main__":
    main()
