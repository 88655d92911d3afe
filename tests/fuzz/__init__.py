"""Random disks, and random requests of several clients at once. `script/fuzz` starts it.

A case is a server: a script made of random pieces, and clients with random requests. A language, a
seed and a number determine all of it, so that a case can be run again. They do not determine how
threads interleave, so a case that fails may have to be run a few times.

The disk has a good part, where every byte is known unless simultaneous writes overlapped, and cells
after it, where requests must fail, or may do anything except end the server.

- `case.py`: a case, made from its seed
- `dialects.py`: how its script is made of the pieces in `scripts/fuzz.*`
- `memory.py`: what is known about the bytes of the disk
- `traffic.py`: the clients
- `play.py`: a server, its clients, and what went wrong
- `__main__.py`: case after case, until the time is up
"""
