"""Where processes run."""

import contextlib
import os


@contextlib.contextmanager
def on_one(pid):
    """Has a server, with the threads that it starts meanwhile, and what we start on one processor."""
    before = {process: os.sched_getaffinity(process) for process in (0, pid)}
    try:
        for process in before:
            os.sched_setaffinity(process, {min(before[0])})
        yield
    finally:
        for process, processors in before.items():
            os.sched_setaffinity(process, processors)
