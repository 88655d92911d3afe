"""Clients that come, send several requests at once, and leave, properly or not."""

import contextlib
import random
import threading
import time

import nbd

# A read there only ends through the time limit. No other request begins there.
FOREVER = 512
LONGEST = 70_000
AT_ONCE = 4


class Crowd:
    def __init__(self, socket, count, loops):
        self.socket = str(socket)
        self.loops = loops
        self.requests = 0
        self.lock = threading.Lock()
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self.work, args=(n,)) for n in range(count)]
        for thread in self.threads:
            thread.start()

    def end(self):
        self.over.set()
        for thread in self.threads:
            thread.join()

    def work(self, number):
        numbers = random.Random(number)
        while not self.over.is_set():
            # At its end, the server accepts nobody any more.
            with contextlib.suppress(nbd.Error):
                self.visit(numbers)

    def visit(self, numbers):
        client = nbd.NBD()
        client.add_meta_context(nbd.CONTEXT_BASE_ALLOCATION)
        client.connect_unix(self.socket)
        for _ in range(numbers.randrange(1, 20)):
            sent = list(self.send(client, numbers))
            for cookie in sent:
                # A request may fail.
                with contextlib.suppress(nbd.Error):
                    while not client.aio_command_completed(cookie):
                        client.poll(1000)
            with self.lock:
                self.requests += len(sent)
            if self.over.is_set():
                break
        if numbers.random() < 0.5:
            client.shutdown()

    def send(self, client, numbers):
        size = client.get_size()
        for _ in range(AT_ONCE):
            offset = numbers.randrange(FOREVER + 1, size - LONGEST)
            count = numbers.randrange(1, LONGEST)
            kind = numbers.randrange(8)
            if self.loops and numbers.random() < 0.01:
                yield client.aio_pread(nbd.Buffer(512), FOREVER)
            elif client.is_read_only() or kind < 3:
                yield client.aio_pread(nbd.Buffer(count), offset)
            elif kind < 5:
                yield client.aio_pwrite(nbd.Buffer.from_bytearray(bytearray(count)), offset)
            elif kind == 5 and client.can_trim():
                yield client.aio_trim(count, offset)
            elif kind == 6 and client.can_flush():
                yield client.aio_flush()
            elif client.can_meta_context(nbd.CONTEXT_BASE_ALLOCATION):
                yield client.aio_block_status(count, offset, lambda *_: None)
            else:
                yield client.aio_zero(count, offset)


def load(socket, seconds, loops, count=5):
    """Clients that are still busy when this returns; `end` them when the server has ended."""
    crowd = Crowd(socket, count, loops)
    time.sleep(seconds)
    return crowd
