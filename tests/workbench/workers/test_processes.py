"""Processes side by side: what they give, tell and log, and how they end."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch

from distillkit.errors import ConfigurationError
from distillkit.workbench.workers import processes as workers
from distillkit.workbench.workers.processes import (
    WorkerDiedError,
    Workers,
    cpu_threads,
    settle_workers,
    threads_each,
)

WORK = """
import logging, os, signal
import torch
from distillkit.errors import ConfigurationError

class Work:
    def __init__(self):
        self.tensor, self.calls = torch.arange(3), 0

    def __call__(self, task, tell):
        self.calls += 1
        if task == "threads":
            return os.getpid(), torch.get_num_threads()
        if task == "tell":
            tell("half", 0.5)
        if task == "log":
            logging.getLogger("distillkit.part").warning("seen %s", object)
        if task == "wrong":
            raise ConfigurationError("Not so.")
        if task == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if task == "exit":
            os._exit(3)
        if task == "sleep":
            tell("begun")
            signal.pause()
        return task, self.calls, self.tensor
"""


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Work that a process can import, too."""
    (tmp_path / "the_work_of_a_test.py").write_text(WORK)
    monkeypatch.syspath_prepend(tmp_path)
    sys.modules.pop("the_work_of_a_test", None)
    return import_module("the_work_of_a_test").Work()


def one(work: Any, task: str) -> tuple[Any, str, Any]:
    """The first event of a task, from a worker of its own."""
    with Workers(work, number=1, threads=1) as pool:
        pool.begin(task, "name")
        return pool.next_event()


def test_each_works_with_its_threads_and_keeps_its_work(work: Any) -> None:
    """Two processes, neither this one; a task's events have its name, and the last is what it came to."""
    with Workers(work, number=2, threads=1) as pool:
        for name in "ab":
            pool.begin("threads", name)
        assert not pool.any_idle
        events = [pool.next_event() for _ in "ab"]
        assert sorted(name for name, _, _ in events) == ["a", "b"]
        processes = {found[0] for _, _, found in events}
        assert len(processes | {os.getpid()}) == 3
        assert {found[1] for _, _, found in events} == {1}
        pool.begin("tell", "c")
        assert pool.next_event() == ("c", "told", ("half", 0.5))
        name, event, (task, calls, tensor) = pool.next_event()
        assert (name, event, task, calls) == ("c", "done", "tell", 2)
        assert torch.equal(tensor, torch.arange(3))


def test_what_is_logged_there_is_logged_here(work: Any, caplog: pytest.LogCaptureFixture) -> None:
    """As often as it is logged, under the same name."""
    one(work, "log")
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("distillkit.part", logging.WARNING)
    assert record.getMessage() == f"seen {object}"


def test_an_error_is_raised_here(work: Any) -> None:
    """With where it was raised there as a note."""
    with pytest.raises(ConfigurationError, match="Not so") as caught:
        one(work, "wrong")
    assert any("the_work_of_a_test" in note for note in caught.value.__notes__)


def test_one_that_dies_is_said_so(work: Any) -> None:
    """With the signal, and what to do."""
    with pytest.raises(WorkerDiedError, match=r"signal 9.*--at-once 1"):
        one(work, "die")


def test_one_that_ends_by_itself_is_said_so(work: Any) -> None:
    """With its exit code, and what a script lacks most often."""
    with pytest.raises(WorkerDiedError, match=r"exit code 3.*__main__"):
        one(work, "exit")


def test_all_end_with_the_context_whatever_they_are_at(work: Any) -> None:
    """Soon, and none is left."""
    with Workers(work, number=1, threads=1) as pool:
        pool.begin("sleep", "name")
        assert pool.next_event()[1] == "told"
        process = pool._busy[next(iter(pool._busy))][0].process
        began = time.monotonic()
    assert time.monotonic() - began < 5
    assert not process.is_alive()


def test_one_a_core_as_far_as_memory_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a CPU; a GPU has one."""
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    assert settle_workers(torch.device("cpu")) == 4
    assert threads_each(3) == 1
    monkeypatch.setattr(workers, "_memory", lambda: 5 * 2**30)
    assert settle_workers(torch.device("cpu")) == 2
    monkeypatch.setattr(workers, "_memory", lambda: 2**20)
    assert settle_workers(torch.device("cpu")) == 1
    assert settle_workers(torch.device("cuda")) == 1


def test_threads_are_as_before_afterwards() -> None:
    """They are the caller's."""
    before = torch.get_num_threads()
    with cpu_threads(before + 1):
        assert torch.get_num_threads() == before + 1
    assert torch.get_num_threads() == before


SCRIPT = """
import multiprocessing
from distillkit.workbench.workers.processes import Workers

class Work:
    def __call__(self, task, tell):
        self.lock = multiprocessing.RLock()  # as a library does that shows progress
        return task

if __name__ == "__main__":
    with Workers(Work(), number=1, threads=1) as workers:
        workers.begin("task", "name")
        print(workers.next_event())
"""


def test_an_idle_process_tidies_up_as_it_ends(tmp_path: Path) -> None:
    """Else Python warns of what it left behind, after the results."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    ended = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert ended.stdout == "('name', 'done', 'task')\n"
    assert ended.stderr == ""
