"""Clients that are killed in the middle of their work: `dying_clients.py URI COUNT DEPTH FROM TO`.

Each sends DEPTH requests to that part of the disk and is killed while they are under way.
"""

import os
import random
import signal
import sys
import traceback

import nbd

BLOCK = 4096


def work(uri, depth, first, last, report):
    client = nbd.NBD()
    client.connect_uri(uri)
    # Its contents do not matter.
    buffer = bytearray(BLOCK)
    for number in range(depth):
        offset = random.randrange(first, last - BLOCK)
        if number % 2:
            client.aio_pread(buffer, offset)
        else:
            client.aio_pwrite(b"k" * BLOCK, offset)
    os.write(report, b".")
    while True:
        # Each reply is followed by another request.
        while (cookie := client.aio_peek_command_completed()) > 0:
            client.aio_command_completed(cookie)
            client.aio_pread(buffer, first)
        client.poll(-1)


def main(uri, count, depth, first, last):
    for _ in range(int(count)):
        report, its_report = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                work(uri, int(depth), int(first), int(last), its_report)
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(1)
        os.close(its_report)
        began = os.read(report, 1)
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        os.close(report)
        # We ended it ourselves.
        assert (began, os.WTERMSIG(status)) == (b".", signal.SIGKILL), status


main(*sys.argv[1:])
