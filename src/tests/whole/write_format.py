"""write_format.py - what a remote write request (protocol 1.0) is made of, beyond plain numbers: histograms
and exemplars. Each function gives the bytes of a message; times are seconds.
"""
import struct

from harness import _field as field, _varint as varint

STALE = 0x7ff0000000000002


def zigzag(number):
    return varint(number * 2 if number >= 0 else -number * 2 - 1)


def double(number, value):
    bits = value if value == STALE else struct.unpack("<Q", struct.pack("<d", value))[0]
    return varint(number << 3 | 1) + struct.pack("<Q", bits)


def label(name, value):
    return field(1, name.encode()) + field(2, value.encode())


def spans(number, items):
    return b"".join(field(number, b"\x08" + zigzag(offset) + b"\x10" + varint(length)) for offset, length in items)


def histogram(time_s, count, total, schema=0, hint=0, positive=((), ()), negative=((), ()), zero=0, floats=False,
              bounds=()):
    body = double(2, float(count)) if floats else b"\x08" + varint(count)
    body += double(3, total) + b"\x20" + zigzag(schema)
    if not bounds:
        body += double(5, 0.001) + (double(7, float(zero)) if floats else b"\x30" + varint(zero))
    for first, (runs, counts) in ((8, negative), (11, positive)):
        body += spans(first, runs)
        if floats:
            body += field(first + 2, b"".join(struct.pack("<d", c) for c in counts))
        else:
            steps = [c - b for b, c in zip((0,) + tuple(counts), counts)]
            body += field(first + 1, b"".join(zigzag(step) for step in steps))
    body += b"\x70" + varint(hint) + b"\x78" + varint(int(time_s * 1000))
    return body + (field(16, b"".join(struct.pack("<d", b) for b in bounds)) if bounds else b"")


def series(labels, samples=(), histograms=(), exemplars=()):
    body = b"".join(field(1, label(*item)) for item in labels)
    for value, time_s in samples:
        body += field(2, double(1, value) + b"\x10" + varint(int(time_s * 1000)))
    for labels, value, time_s in exemplars:
        body += field(3, b"".join(field(1, label(*item)) for item in labels) + double(2, value) + b"\x18" +
                      varint(int(time_s * 1000)))
    return field(1, body + b"".join(field(4, item) for item in histograms))
