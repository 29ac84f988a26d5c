"""Handlers of signals for a while."""

import os
import signal
import threading

from timesformer.runtime.handlers import handled


def test_the_former_handlers_come_back():
    got = []
    before = signal.getsignal(signal.SIGUSR1)
    with handled([signal.SIGUSR1], lambda number, _: got.append(number)):
        os.kill(os.getpid(), signal.SIGUSR1)
    assert got == [signal.SIGUSR1]
    assert signal.getsignal(signal.SIGUSR1) is before


def test_a_thread_that_gets_no_signals_goes_through():
    entered = []

    def enter():
        with handled([signal.SIGUSR1], print):
            entered.append(True)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert entered == [True]
