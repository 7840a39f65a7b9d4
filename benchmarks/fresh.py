"""Work in a process of its own, for peak memory and start-up."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from benchmarks.machine import ROOT


def in_fresh_process(module: str, argument: dict[str, Any], limit_s: float = 1800) -> dict[str, Any]:
    """What a module of this folder prints as JSON when it is run with an argument of JSON.

    Returns:
        Its answer; where it failed, `{"failed": the last line of its error}`.
    """
    command = [sys.executable, "-m", module, json.dumps(argument)]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=limit_s, check=False)
    except subprocess.TimeoutExpired:
        return {"failed": f"It took more than {limit_s:g} s."}
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"It ended with {done.returncode}."]
        return {"failed": lines[-1]}
    answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer
