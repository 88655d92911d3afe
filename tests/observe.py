"""Everything that a user and a client can see of a plugin, as text for comparison."""

import hashlib

import nbd

import nbdkit


def shown(data):
    """Bytes, in full if they are short."""
    data = bytes(data)
    if len(data) <= 32:
        return repr(data)
    if len(set(data)) == 1:
        return f"{len(data)} times {data[:1]!r}"
    return f"{len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()[:16]}"


def request(client, name, *arguments):
    """A request and its outcome, as a line."""
    fast_zero = name == "zero" and arguments[2:] == (nbd.CMD_FLAG_FAST_ZERO,)
    if fast_zero and not client.can_fast_zero():
        # With any plugin, nbdkit 1.32 fails an assertion if this is sent anyway.
        return f"{name} {' '.join(map(str, arguments))}: not offered"
    words = " ".join(shown(word) if isinstance(word, bytes) else str(word) for word in arguments)
    try:
        result = getattr(client, name)(*arguments)
        outcome = "ok" if result is None else shown(result)
    except nbd.Error as error:
        outcome = str(error.errno)
    return f"{name} {words}: {outcome}"


OFFERS = ("can_flush", "can_trim", "can_zero", "can_fast_zero", "can_fua", "can_cache",
          "can_multi_conn", "is_read_only", "is_rotational")  # fmt: skip


def connection(server, requests):
    """A client from beginning to end."""
    try:
        client = server.connect(strict=False)
    except nbd.Error:
        server.disconnect()
        return ["connection refused"]
    # Without strict checks, to see what happens to requests that were not offered.
    lines = [f"size {client.get_size()}"]
    lines.append("offers " + " ".join(name for name in OFFERS if getattr(client, name)()))
    lines += [request(client, *each) for each in requests]
    server.disconnect()
    return lines


def observe(plugin, script, clients, parameters=(), options=(), cwd=None, plain=str):
    """Starts a script, lets clients (lists of requests) come one after the other, and stops it.

    Each line of the log goes through `plain`.
    """
    server = nbdkit.Nbdkit(*options, str(plugin), script, *parameters, cwd=cwd)
    lines = []
    try:
        try:
            server.wait_ready()
        except AssertionError:
            lines.append("did not start")
        else:
            for requests in clients:
                lines += connection(server, requests)
        code, log = server.stop(disconnect=False)
        lines.append(f"exit {code}")
        lines += [f"log {plain(line)}" for line in nbdkit.error_lines(log)]
    finally:
        server.discard()
    return "\n".join(lines) + "\n"
