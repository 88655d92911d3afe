"""Random disks, and random requests of several clients at once. `script/fuzz` starts it.

A case is a server: a script made of random pieces, and clients with random requests. All of it
follows from a language, a seed and a number, so that a case can be run again. What threads do at
once does not, so a case that fails may have to be run a few times.

The disk has a good part, of which each byte is known that was not written twice at once, and cells
after it, in which requests have to fail, or may do anything but end the server.

- `case.py`: what a case is, from its seed
- `dialects.py`: how its script is made of the pieces in `scripts/fuzz.*`
- `memory.py`: what is known of the bytes of the disk
- `traffic.py`: the clients
- `play.py`: a server, its clients, and what went wrong
- `__main__.py`: case after case, until the time is over
"""
