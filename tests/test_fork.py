"""A process that is forked while a thread of its parent trains."""

import os
import threading
import time

import pytest

from skvae._utils.random import forked_global_rng


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of forks beside threads
def test_child_does_not_wait_for_a_thread_that_it_does_not_have():
    inside, done = threading.Event(), threading.Event()

    def hold():
        with forked_global_rng(0):
            inside.set()
            done.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    inside.wait()
    child = os.fork()
    if child == 0:
        with forked_global_rng(1):
            os._exit(0)
    done.set()
    thread.join()
    end = time.monotonic() + 20
    while (ended := os.waitpid(child, os.WNOHANG))[0] == 0 and time.monotonic() < end:
        time.sleep(0.05)
    if ended[0] == 0:
        os.kill(child, 9)
        os.waitpid(child, 0)
    assert ended == (child, 0)
