"""Every request that a client can make, at disks of every kind.

A disk is told what it is by the name of the export: `pwrite,zero,can_zero=false` has these two
callbacks beside `pread`, and answers that question. `=fails` is a callback that fails. `size=` is
the size. All else is absent. So one server serves thousands of disks, one after the other:
callbacks are looked up at each call, and nbdkit asks anew for each connection. nbdkit has one
thread for each connection (`-t 1`), so that requests run in their order.

Which callbacks fail, and with which error number, is in the offset of a request, in units of 512
bytes: 8 bits for the error number, then one bit for each callback that fails with it. A flush has
no offset; it goes by that of the request before. Numbers above 133 stand for some that are none.

- `disks.py`: which disks there are
- `requests.py`: which requests each one gets
- `expected.py`: what each is to be answered with
- `run.py`: a server, all of that, and what went wrong
"""
