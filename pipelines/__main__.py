"""``python -m pipelines`` and the console script ``referrals``."""

from __future__ import annotations


def main() -> None:
    """Run the command line and exit with its code."""
    from pipelines.cli import run

    run()


if __name__ == "__main__":
    main()
