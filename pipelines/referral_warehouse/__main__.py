"""``python -m referral_warehouse`` and the console script ``referrals``: prepares the process before other imports.

A process may be stopped while it still imports, may be started without standard streams, and may have Python settings
for developers, such as warnings as errors. The command line itself is in ``referral_warehouse.cli``.
"""

# This line comes first: until it has run, Ctrl-C raises an exception.
try:
    import os
    import signal
    import sys
    from types import FrameType
except KeyboardInterrupt:
    import sys  # built in: nothing is read, nothing can be interrupted

    sys.stderr.write("referrals: Stopped by Ctrl-C. Nothing was done. Next: Run the same command again.\n")
    raise SystemExit(130) from None

STOPPED = "referrals: Stopped by {}. Nothing was done. Next: Run the same command again.\n"
SIGNAL_NAMES = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM"}


def main() -> None:
    """Run the command line and exit with its code."""
    _stop_at_once_on_signals()
    closed = _open_missing_streams()
    _ignore_foreign_settings()
    try:
        if sys.flags.no_site:  # the launcher does not do this, so that no signal arrives before the first line above
            import site

            site.main()
        from referral_warehouse.workspace.process_limits import refuse_small_limits

        refuse_small_limits(writes=False)
        from referral_warehouse.cli import run
    except Exception as error:
        sys.exit(_report_failed_start(error))
    try:
        run(closed=closed)
    except SystemExit as ended:
        if ended.code:
            _end_at_once(ended.code)
        raise


def _end_at_once(code: object) -> None:
    """End without a shutdown of the interpreter: after a signal or without memory, libraries crash in it."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            continue  # closed, or without a reader
    os._exit(code if isinstance(code, int) else 1)


def _stop_at_once_on_signals() -> None:
    """Before a command begins, a signal ends the process at once, with one line.

    An exception would be raised in the middle of an import, which may replace or lose it. What the
    parent process ignores (``nohup``, a shell's background job) stays ignored.
    """
    for number in SIGNAL_NAMES:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _stop_at_once)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNAL_NAMES)  # the launcher blocked them so far


def _stop_at_once(number: int, _frame: "FrameType | None") -> None:
    try:
        os.write(2, STOPPED.format(SIGNAL_NAMES[signal.Signals(number)]).encode())
    finally:
        os._exit(128 + number)


def _open_missing_streams() -> tuple[int, ...]:
    """Open standard streams that were closed: otherwise the next file would have their number, and receive the output.

    Returns: the numbers of those that were closed; output to them is lost.
    """
    closed = []
    for descriptor, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(descriptor)
        except OSError:
            closed.append(descriptor)
            try:
                os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
            except OSError:
                continue
            os.set_inheritable(descriptor, True)
        if getattr(sys, name) is None:
            setattr(sys, name, open(descriptor, mode, encoding="utf-8", closefd=False))  # noqa: SIM115
    return tuple(closed)


def _ignore_foreign_settings() -> None:
    """Warnings of libraries are for developers and must not become errors; all times here are UTC."""
    import time
    import warnings

    warnings.simplefilter("ignore")
    os.environ["TZ"] = "UTC"
    time.tzset()


def _report_failed_start(error: Exception) -> int:
    """Report in one line why the command line itself cannot be imported; returns the exit code."""
    if isinstance(error, ModuleNotFoundError):
        text = f"{error}. Nothing was done. Next: Run `make setup`, or install the package again."
    else:
        from referral_warehouse.errors import LimitReached
        from referral_warehouse.workspace.process_limits import limit_behind

        found = error if isinstance(error, LimitReached) else limit_behind(error)
        text = str(found or f"The program cannot be loaded: {type(error).__name__}: {error}")
    sys.stderr.write(f"referrals: {' '.join(text.split())}\n")
    return 2


if __name__ == "__main__":
    main()
