"""`make demo`: a worker runs thousands of real jobs on a private PostgreSQL, and shows what happened."""

import signal
import sys


def main() -> int:
    """Run the demo; 130 if it was interrupted, at whatever moment."""
    try:
        from chancy_core.demo.run import run  # noqa: PLC0415 -- imports take long enough to be interrupted

        return run()
    except KeyboardInterrupt:
        # Told once is enough: a second Ctrl-C must not spoil the way out.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        print("\nStopped. Nothing keeps running; start it again with `make demo`.")
        return 130
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


if __name__ == "__main__":
    sys.exit(main())
