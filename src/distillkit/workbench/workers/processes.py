"""Processes that work side by side, each on its share of the processor's threads."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import pickle
import signal
import traceback
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import Any, Literal, Self, cast

import torch

from distillkit.errors import DistillkitError

Tell = Callable[..., None]
"""Called in a worker with anything that can be pickled; its arguments come to the parent."""
Work = Callable[[Any, Tell], Any]
"""The work of a worker on a task, and its result; it and both of these can be pickled."""
Message = tuple[Literal["told", "done", "failed", "log"], Any]

_MOST = 8
_BYTES_EACH = 2 * 2**30
"""Memory of a worker: torch, a copy of the data, and a training."""
_SECONDS_TO_END = 10.0
"""Memory of an idle process."""

logger = logging.getLogger("distillkit")


class WorkerDiedError(DistillkitError):
    """A process that was to work ended without saying why."""


def settle_workers(device: torch.device) -> int:
    """How many trainings go on at once on a device: on a CPU one a core, elsewhere one.

    Threads that share a small training spend much of it waiting for each other, and processes of one thread
    do not. At most eight, and one for every 2 GiB of memory, since each has the data.
    """
    if device.type != "cpu":
        return 1
    return max(1, min(torch.get_num_threads(), _MOST, _memory() // _BYTES_EACH))


def threads_each(at_once: int) -> int:
    """Torch's threads of each of several trainings that share those there are.

    Example:
        >>> threads_each(1) == torch.get_num_threads(), threads_each(1_000_000)
        (True, 1)
    """
    return max(1, torch.get_num_threads() // at_once)


@contextlib.contextmanager
def cpu_threads(number: int) -> Iterator[None]:
    """Torch's threads for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class Workers:
    """Processes that do one task at a time each; a context manager that ends them, whatever they are at.

    Each begins with a copy of `work` and keeps it from task to task. What a worker logs is logged here; an
    error that it raises is raised here.

    Args:
        work: What is done with a task.
        number: Processes, ≥ 1.
        threads: Of torch, for each.
    """

    def __init__(self, work: Work, *, number: int, threads: int) -> None:
        self._work, self._number, self._threads = work, number, threads
        self._idle: list[_Worker] = []
        self._busy: dict[Connection, tuple[_Worker, Any]] = {}
        self._waiting: list[Connection] = []

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            stack.callback(self._end)
            self._idle = [_Worker(self._threads) for _ in range(self._number)]
            pickled = pickle.dumps(self._work)
            for worker in self._idle:  # all have begun to start by now
                worker.send(pickled)
            stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    @property
    def any_idle(self) -> bool:
        """Whether a task can begin."""
        return bool(self._idle)

    def begin(self, task: Any, name: Any) -> None:
        """Give a task to an idle worker; its events have this name."""
        worker = self._idle.pop(0)
        worker.send(pickle.dumps(task))
        self._busy[worker.connection] = worker, name

    def next_event(self) -> tuple[Any, Literal["told", "done"], Any]:
        """Wait for a worker; return its task's name, and what it tells or what the task came to.

        Raises:
            WorkerDiedError: It ended, as a process does that the system kills for its memory.
            Exception: Whatever its work raised.
        """
        while True:
            if not self._waiting:
                self._waiting = cast("list[Connection]", wait(list(self._busy)))
            connection = self._waiting.pop()
            worker, name = self._busy[connection]
            kind, content = worker.receive()
            if kind == "log":
                logging.getLogger(content.name).handle(content)
                continue
            if kind == "failed":
                raise content
            if kind == "done":
                del self._busy[connection]
                self._idle.append(worker)
                return name, "done", content
            return name, "told", content

    def _end(self) -> None:
        busy = [worker for worker, _ in self._busy.values()]
        for worker in busy:
            worker.process.terminate()
        # an idle one ends by itself when nobody can ask any more, and tidies up what libraries made in it
        for worker in (workers := [*self._idle, *busy]):
            worker.connection.close()
        for worker in workers:
            worker.process.join(timeout=_SECONDS_TO_END)
            worker.process.terminate()
            worker.process.join()
        self._idle, self._busy = [], {}


class _Worker:
    """A process and the line to it."""

    def __init__(self, threads: int) -> None:
        # not forked: threads of this process may hold locks
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(
            target=_serve, args=(theirs, threads, logger.getEffectiveLevel()), daemon=True
        )
        self.process.start()
        theirs.close()

    def send(self, pickled: bytes) -> None:
        # bytes, since tensors would go through shared memory, of which a container has little
        try:
            self.connection.send_bytes(pickled)
        except OSError:
            raise self._died() from None

    def receive(self) -> Message:
        try:
            message: Message = _unpickled(self.connection.recv_bytes())
        except (EOFError, OSError):
            raise self._died() from None
        return message

    def _died(self) -> WorkerDiedError:
        self.process.join(timeout=5)
        code = self.process.exitcode
        if code is not None and code < 0:
            return WorkerDiedError(
                f"A process that trained was ended by signal {-code}, often for want of memory: the same "
                "command goes on where this one stopped; give it --at-once 1."
            )
        return WorkerDiedError(
            f"A process that trained ended by itself with exit code {code} (its own words are above): a "
            'script that trains side by side does so under `if __name__ == "__main__":`, or with at_once=1.'
        )


def _serve(connection: Connection, threads: int, level: int) -> None:
    """Run a worker from its start to its end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is the parent's, which ends this
    torch.set_num_threads(threads)

    def send(kind: str, content: Any) -> None:
        connection.send_bytes(pickle.dumps((kind, content)))

    def tell(*content: Any) -> None:
        send("told", content)

    # it warns of a missing GPU on any machine that has NVIDIA's compiler
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
    logger.handlers = [_Sent(send)]
    logger.setLevel(level)
    # the parent is gone
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        work: Work = _unpickled(connection.recv_bytes())
        while True:
            task = _unpickled(connection.recv_bytes())
            try:
                result = work(task, tell)
            except (BrokenPipeError, ConnectionResetError):
                raise
            except Exception as error:
                send("failed", _picklable(error))
            else:
                send("done", result)


def _picklable(error: Exception) -> Exception:
    """The error, with where it was raised as a note; another of the same message if it cannot be sent."""
    where = traceback.format_exc()
    try:
        _unpickled(pickle.dumps(error))
    except Exception:
        error = RuntimeError(f"{type(error).__name__}: {error}")
    error.add_note(where)
    return error


class _Sent(logging.Handler):
    """Sends records to the parent."""

    def __init__(self, send: Callable[[str, Any], None]) -> None:
        super().__init__()
        self._send = send

    def emit(self, record: logging.LogRecord) -> None:
        """Send it, its message made: arguments may not be picklable."""
        record.msg, record.args, record.exc_info = record.getMessage(), None, None
        self._send("log", record)


def _unpickled(content: bytes) -> Any:
    return pickle.loads(content)  # noqa: S301 - of our own processes


def _memory() -> int:
    """Bytes of the machine; where it does not say, enough for all."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return _MOST * _BYTES_EACH
