"""What is known about the bytes of a disk with overlapping requests."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Write:
    begin: int
    data: bytes

    @property
    def end(self):
        return self.begin + len(self.data)

    def part(self, begin, end):
        return self.data[begin - self.begin : end - self.begin]


class Memory:
    """It begins as zeroes. Where simultaneous writes differ, nothing is known until a read."""

    def __init__(self, size):
        self.bytes = bytearray(size)
        self.known = bytearray(b"\1" * size)

    def check(self, reads, writes):
        """Takes simultaneous reads and writes; returns where a read was wrong.

        `reads` are pairs of an offset and bytes.
        """
        wrong = [at for offset, data in reads for at in self.differences(offset, data, writes)]
        self.write(writes)
        return wrong

    def write(self, writes):
        ordered = sorted({edge for write in writes for edge in (write.begin, write.end)})
        for begin, end in zip(ordered, ordered[1:]):
            parts = [w.part(begin, end) for w in writes if w.begin <= begin and end <= w.end]
            if len(parts) < 2:
                if parts:
                    self.bytes[begin:end] = parts[0]
                    self.known[begin:end] = b"\1" * (end - begin)
                continue
            for at, values in enumerate(zip(*parts), begin):
                self.bytes[at] = values[0]
                self.known[at] = len(set(values)) == 1

    def differences(self, offset, data, writes):
        """Where a read has impossible bytes, at most one place for each part."""
        end = offset + len(data)
        near = [write for write in writes if write.begin < end and offset < write.end]
        edges = {offset, end} | {w.begin for w in near} | {w.end for w in near}
        ordered = sorted(edge for edge in edges if offset <= edge <= end)
        for begin, stop in zip(ordered, ordered[1:]):
            got = data[begin - offset : stop - offset]
            candidates = [w.part(begin, stop) for w in near if w.begin <= begin and stop <= w.end]
            before = bytes(self.bytes[begin:stop])
            known = bytes(self.known[begin:stop])
            if got == before or got in candidates:
                pass
            elif wrong := [
                at
                for at, (byte, is_known) in enumerate(zip(got, known), begin)
                if is_known
                and byte != self.bytes[at]
                and all(byte != candidate[at - begin] for candidate in candidates)
            ]:
                yield wrong[0]
                continue
            if not candidates and 0 in known:
                self.bytes[begin:stop] = got
                self.known[begin:stop] = b"\1" * len(got)

    def may_be_zeroes(self, begin, end, writes):
        """Whether a range can be all zeroes during these writes."""
        near = [w for w in writes if w.begin < end and begin < w.end]
        if near:
            return True
        part, known = self.bytes[begin:end], self.known[begin:end]
        return not any(byte and is_known for byte, is_known in zip(part, known))
