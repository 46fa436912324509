"""For a process that has everything imported: runs a function in a forked child for each line that it reads."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any


def answer_each_line(run: Callable[[dict[str, Any]], object]) -> None:
    """Read a JSON object a line and answer each: the exit code of the child, and what ``run`` returned or raised.

    ``environ`` of the object is added to the environment of the child. ``said`` is ``0`` where the child was killed.
    """
    for line in sys.stdin:
        request = json.loads(line)
        with tempfile.TemporaryDirectory() as folder:
            said = Path(folder) / "said"
            child = os.fork()
            if child == 0:
                _run_and_end(run, request, said)
            _, status = os.waitpid(child, 0)
            text = said.read_text() if said.exists() else "0"
        sys.stdout.write(json.dumps({"code": os.waitstatus_to_exitcode(status), "said": text}) + "\n")
        sys.stdout.flush()


def _run_and_end(run: Callable[[dict[str, Any]], object], request: dict[str, Any], said: Path) -> None:
    code = 1
    try:
        os.environ.update(request["environ"])
        said.write_text(str(run(request)))
        code = 0
    except BaseException:
        said.write_text(traceback.format_exc())
    finally:
        os._exit(code)
