"""Concurrency: threads of a test, and requests in flight on one connection."""

import concurrent.futures

import nbdkit


def at_once(*jobs):
    """Runs each job in a separate thread, and returns their results.

    A job that waits for a server cannot hang for ever, because no server lives long.
    """
    with concurrent.futures.ThreadPoolExecutor(len(jobs)) as threads:
        return [future.result() for future in [threads.submit(job) for job in jobs]]


class InFlight:
    """Requests sent on one connection, each with a callback for its completion."""

    def __init__(self, client):
        self.client = client
        self.waiting = {}

    def __len__(self):
        return len(self.waiting)

    def pread(self, count, offset, done):
        """Calls `done` with the bytes."""
        # Not an nbd.Buffer, whose memory libnbd 1.14 never frees.
        buffer = bytearray(count)
        cookie = self.client.aio_pread(buffer, offset)
        self.waiting[cookie] = lambda: done(bytes(buffer))

    def pwrite(self, data, offset, done=lambda: None):
        data = bytes(data)
        cookie = self.client.aio_pwrite(data, offset)

        def written(data=data):
            # The bytes must live until here.
            done()

        self.waiting[cookie] = written

    def zero(self, count, offset, done, flags=0):
        self.waiting[self.client.aio_zero(count, offset, flags=flags)] = done

    def trim(self, count, offset, done):
        self.waiting[self.client.aio_trim(count, offset)] = done

    def block_status(self, count, offset, done):
        """Calls `done` with a list of lengths and types."""
        found = []

        def add(context, start, entries, error):
            found.extend(zip(entries[::2], entries[1::2], strict=True))
            return 0

        cookie = self.client.aio_block_status(count, offset, add)
        self.waiting[cookie] = lambda: done(found)

    def wait_for_some(self):
        """Waits until at least one is complete. Raises the error of one that failed."""
        before = len(self.waiting)
        assert before
        while len(self.waiting) == before:
            answered = self.client.poll(nbdkit.DEADLINE * 1000)
            assert answered, f"no answer in {nbdkit.DEADLINE} seconds"
            for cookie in list(self.waiting):
                if self.client.aio_command_completed(cookie):
                    self.waiting.pop(cookie)()

    def wait_for_all(self):
        while self.waiting:
            self.wait_for_some()
