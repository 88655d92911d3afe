"""Every request that a client can make, at disks of every kind.

The name of the export defines the disk: `pwrite,zero,can_zero=false` has these two callbacks besides
`pread`, and that return value. `=fails` is a callback that fails. `size=` is the size. Everything
else is absent. So one server serves thousands of disks, one after another: callbacks are looked up
at each call, and nbdkit asks anew for each connection. nbdkit has one thread per connection
(`-t 1`), so that requests run in order.

The offset of a request defines which callbacks fail, and with which errno, in units of 512 bytes: 8
bits for the errno, then one bit for each callback that fails with it. A flush has no offset; it uses
that of the request before. Numbers above 133 stand for some that are not errnos.

- `disks.py`: the disks
- `requests.py`: the requests that each one gets
- `expected.py`: the right reply to each
- `run.py`: a server, all of that, and what went wrong
"""
