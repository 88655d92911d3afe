"""As much of an NBD client as it takes to open a connection and to read."""

import socket
import struct

MAGIC = b"NBDMAGIC"
OPTION_MAGIC = b"IHAVEOPT"
OPT_EXPORT_NAME = 1
FLAG_FIXED_NEWSTYLE, FLAG_NO_ZEROES = 1, 2
REQUEST, REPLY = 0x25609513, 0x67446698
CMD_READ = 0


class Connection:
    """A client of the export with the empty name."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(30)
        self.socket.connect(str(path))
        greeting = self.receive(18)
        if greeting[:16] != MAGIC + OPTION_MAGIC:
            raise ConnectionError(f"{greeting!r} is not how an NBD server begins")
        self.socket.sendall(
            struct.pack(">I", FLAG_FIXED_NEWSTYLE | FLAG_NO_ZEROES)
            + OPTION_MAGIC
            + struct.pack(">II", OPT_EXPORT_NAME, 0)
        )
        self.size, _flags = struct.unpack(">QH", self.receive(10))

    def receive(self, count):
        data = b""
        while len(data) < count:
            more = self.socket.recv(count - len(data))
            if not more:
                raise ConnectionError("the server has closed the connection")
            data += more
        return data

    def send_read(self, count, offset):
        self.socket.sendall(struct.pack(">IHHQQI", REQUEST, 0, CMD_READ, 0, offset, count))

    def receive_read(self, count):
        magic, error, _cookie = struct.unpack(">IIQ", self.receive(16))
        if magic != REPLY or error != 0:
            raise ConnectionError(f"a read was answered with error {error}")
        return self.receive(count)

    def close(self):
        self.socket.close()
