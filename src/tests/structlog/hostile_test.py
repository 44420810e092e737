#!/usr/bin/env python3
"""hostile_test.py PROGRAM [COUNT [SEED]] - random events with hostile texts come back as they went in.

PROGRAM (hostile_lines.c) logs them; Python's json reads its lines. What is no UTF-8 must come back
as Python's own decoder replaces it, numbers to the bit, NaN and infinities as null."""
import json
import math
import random
import struct
import subprocess
import sys

program = sys.argv[1]
count = int(sys.argv[2]) if len(sys.argv) > 2 else 2000
seed = int(sys.argv[3]) if len(sys.argv) > 3 else 1
dice = random.Random(seed)

PIECES = [b'"', b'\\', b'\n', b'\r', b'\t', b'\0', b'\x1b[31m', b'\x7f', b'\xff', b'\xc0\x80', b'\xed\xa0\x80',
          b'\xe2\x82', b'\xf0\x9f\x98\x80', b'\xf4\x90\x80\x80', b'\xf0\x9f', '\u2028é'.encode(), b'</script>',
          b'{"a":1}', b'a', b'some plain text', b' ', b'%s%n', b'\xef\xbb\xbf', b'x' * 40, b'\x01\x02\x1f']
TAKEN = {'timestamp', 'level', 'event', 'logger'}


def text():
    return b''.join(dice.choice(PIECES) for _ in range(dice.randrange(6)))


def packed(data):
    return struct.pack('<I', len(data)) + data


def value():
    kind = dice.choice('ssssdibn')
    if kind == 's':
        data = text()
        return b's' + packed(data), data.decode('utf-8', 'replace')
    if kind == 'i':
        number = dice.choice([0, -1, 2**63 - 1, -2**63, dice.randrange(-2**63, 2**63), 10**dice.randrange(19)])
        return b'i' + struct.pack('<q', number), number
    if kind == 'd':
        bits = dice.choice([dice.getrandbits(64), struct.unpack('<Q', struct.pack('<d', dice.random()))[0], 0, 1 << 63])
        real = struct.unpack('<d', struct.pack('<Q', bits))[0]
        return b'd' + struct.pack('<Q', bits), real if math.isfinite(real) else None
    if kind == 'b':
        truth = dice.random() < 0.5
        return b'b' + bytes([truth]), truth
    return b'n', None


def event():
    name = text()
    wanted = {'event': name.decode('utf-8', 'replace')}
    fields = b''
    number = 0
    for _ in range(dice.randrange(12)):
        key = text() + b'%d' % dice.randrange(100)
        read = key.decode('utf-8', 'replace')
        if read in wanted or read in TAKEN:
            continue
        data, wanted[read] = value()
        fields += packed(key) + data
        number += 1
    return packed(name) + bytes([number]) + fields, wanted


def same(a, b):
    if isinstance(a, float) and isinstance(b, float):
        return struct.pack('<d', a) == struct.pack('<d', b)
    return type(a) is type(b) and a == b


events = [event() for _ in range(count)]
failed = 0
print('1..2')
for turn, kind in enumerate(('sync', 'async'), 1):
    out = subprocess.run([program, kind], input=b''.join(data for data, _ in events), capture_output=True, check=False)
    lines = out.stdout.split(b'\n')
    problem = None
    if out.returncode != 0 or len(lines) != count + 1:
        problem = f'status {out.returncode}, {len(lines) - 1} lines of {count}'
    for (_, wanted), line in zip(events, lines):
        if problem:
            break
        try:
            got = json.loads(line)
        except ValueError as error:
            problem = f'{error}: {line!r}'
            break
        got.pop('timestamp')
        got.pop('level')
        if list(got) != list(wanted) or not all(same(got[key], wanted[key]) for key in wanted):
            problem = f'wanted {wanted!r}, got {got!r}'
    print(f"{'not ok' if problem else 'ok'} {turn} - {count} events, {kind}")
    if problem:
        print('# ' + problem)
        failed += 1
print(f'# {2 - failed} passed, {failed} failed')
sys.exit(1 if failed else 0)
