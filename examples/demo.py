"""`make demo`: a worker runs thousands of real jobs on a private PostgreSQL, and shows what happened."""

import sys


def main() -> int:
    """Run the demo; 130 if it was interrupted, at whatever moment."""
    try:
        from demo_run import run  # noqa: PLC0415 -- imports take long enough to be interrupted

        run()
    except KeyboardInterrupt:
        print("\nStopped. Nothing keeps running; start it again with `make demo`.")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
