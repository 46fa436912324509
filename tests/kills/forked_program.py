"""The program for tests that start processes themselves: a small client, whose work a forked child does on its streams.

Usage: python -I -S forked_program.py SOCKET ARGUMENTS…; ``serve`` is on the other side of the socket, in a process
that has everything imported. The client starts in a fiftieth of the time of the program; it hands over its streams,
environment and working directory, passes SIGTERM and SIGINT on, and ends as the child does.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys

NUMBER_BYTES = 8
PASSED_ON = (signal.SIGTERM, signal.SIGINT)


def _number(value: int) -> bytes:
    return value.to_bytes(NUMBER_BYTES, "big", signed=True)


def _receive(connection: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size and (more := connection.recv(size - len(found))):
        found += more
    return found


def _received_number(connection: socket.socket) -> int:
    return int.from_bytes(_receive(connection, NUMBER_BYTES), "big", signed=True)


def serve(listening: socket.socket, read_end: int) -> None:
    """Fork a child for each client, until the other end of the pipe ``read_end`` is closed."""
    import select

    while True:
        ready, _, _ = select.select([listening.fileno(), read_end], [], [])
        if read_end in ready:
            return
        connection, _ = listening.accept()
        if os.fork() == 0:
            listening.close()
            _answer(connection)
        connection.close()
        while _has_ended_child():
            continue


def _has_ended_child() -> bool:
    try:
        return os.waitpid(-1, os.WNOHANG)[0] != 0
    except ChildProcessError:
        return False


def _answer(connection: socket.socket) -> None:
    """Run the request of a client in a child, and send how the child ended; never returns."""
    from tests.kills.becoming import become, run_program

    size, streams, _, _ = socket.recv_fds(connection, NUMBER_BYTES, 3)
    request = json.loads(_receive(connection, int.from_bytes(size, "big", signed=True)))
    child = os.fork()
    if child == 0:
        connection.close()
        test = request["environ"].get("PYTEST_CURRENT_TEST", "").rpartition(" ")[0]
        become(streams, test, lambda: run_program(request["arguments"], request["environ"], request["folder"]))
    for stream in streams:
        os.close(stream)
    connection.sendall(_number(child))
    _, status = os.waitpid(child, 0)
    connection.sendall(_number(os.waitstatus_to_exitcode(status)))
    os._exit(0)


def _main() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, PASSED_ON)  # until there is a child
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(sys.argv[1])
    request = {"arguments": sys.argv[2:], "environ": dict(os.environ), "folder": os.getcwd()}  # noqa: PTH109 - few imports
    text = json.dumps(request).encode()
    socket.send_fds(connection, [_number(len(text))], [0, 1, 2])
    connection.sendall(text)
    child = _received_number(connection)
    for number in PASSED_ON:
        signal.signal(number, lambda received, _frame: os.kill(child, received))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, PASSED_ON)
    code = _received_number(connection)
    if code < 0:
        if -code != signal.SIGKILL:
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


if __name__ == "__main__":
    _main()
