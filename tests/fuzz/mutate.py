"""Mutations of bytes and of JSON. They know the structures that the readers look at: numbers, lengths, nested values.

All choices come from one `random.Random`, so an input is known by its target, its seed and its number.
"""

import copy
import gzip
import json
import struct
import zlib

NUMBERS = (0, 1, 2, 3, 7, 8, 127, 128, 255, 256, 2 ** 15, 2 ** 16 - 1, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32,
           2 ** 62, 2 ** 63 - 1, 2 ** 63, 2 ** 64 - 1)
DEEP = json.loads("[" * 200 + "]" * 200)
VALUES = (None, True, False, 0, 1, -1, 3, 2 ** 31, 2 ** 63, -2 ** 63, 10 ** 40, 0.5, -0.0, 1e308, 5e-324, float("nan"),
          float("inf"), "", "x", "lenet", "nan", "\ud800", "é", "x" * 300, [], [[]], [1, 2], [None] * 30, {}, {"": 0},
          {"array": 3, "dtype": "O"}, DEEP)


def mutated_bytes(random, content, others):
    """`content` after one to four mutations. `others` are contents from which pieces may come."""
    data = bytearray(content)
    for _ in range(random.choice((1, 1, 1, 2, 3, 4))):
        random.choice(BYTES)(random, data, others)
    return bytes(data)


def mutated_json(random, value):
    """A copy of the value with one to three changes at random places. Keys vanish, appear, or change their names."""
    value = copy.deepcopy(value)
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        holder, key = random.choice(list(_places(value)))
        change = random.randrange(8)
        if change == 0:
            del holder[key]
        elif change == 1 and isinstance(holder, dict):
            holder[random.choice(("", "x", "epoch", "w", "__metadata__", str(key) + "x"))] = holder.pop(key)
        elif change == 2:
            other, its = random.choice(list(_places(value)))
            holder[key] = copy.deepcopy(other[its])
        elif change == 3 and isinstance(holder[key], (int, float)):
            holder[key] = random.choice((holder[key] + 1, holder[key] - 1, -holder[key], holder[key] * 2))
        else:
            holder[key] = copy.deepcopy(random.choice(VALUES))
        if not value or not list(_places(value)):
            break
    return value


def _places(value):
    """(holder, key) of every value inside of a dict or list, to a depth of six."""
    stack = [(value, 0)]
    while stack:
        holder, depth = stack.pop()
        for key, inner in list(holder.items() if isinstance(holder, dict) else enumerate(holder)):
            yield holder, key
            if isinstance(inner, (dict, list)) and depth < 6:
                stack.append((inner, depth + 1))


def packed(random, content):
    """The content gzipped in one of many ways: levels, several streams, a name, padding, a wrong trailer."""
    if random.random() < 0.3:
        cut = random.randrange(len(content) + 1)
        return packed(random, content[:cut]) + packed(random, content[cut:])
    packer = zlib.compressobj(random.randrange(10), zlib.DEFLATED, random.choice((31, 31, 31, 25)))
    data = packer.compress(content) + packer.flush()
    way = random.randrange(6)
    if way == 0:
        data += bytes(random.randrange(100))
    elif way == 1:
        data += gzip.compress(b"") * random.randrange(5)
    elif way == 2:                                      # a file name in the header
        data = data[:3] + b"\x08" + data[4:10] + b"a" * random.randrange(300) + b"\0" * random.randrange(2) + data[10:]
    elif way == 3:
        data = data[:-8] + struct.pack("<2I", random.choice((0, zlib.crc32(content))), random.choice((0, len(content))))
    return data


# Mutations of bytes.

def _flip(random, data, others):
    if data:
        data[random.randrange(len(data))] ^= 1 << random.randrange(8)


def _byte(random, data, others):
    if data:
        data[random.randrange(len(data))] = random.choice((0, 1, 0x1f, 0x22, 0x2c, 0x5b, 0x7b, 0x7f, 0x80, 0xff,
                                                           random.randrange(256)))


def _number(random, data, others):
    form = random.choice((">I", "<I", ">Q", "<Q", ">H", "<d"))
    size, number = struct.calcsize(form), random.choice(NUMBERS)
    at = random.choice((0, 4, 8, 12, random.randrange(len(data) + 1)))
    data[at:at + size] = struct.pack(form, number if form == "<d" else number % 256 ** size)


def _cut(random, data, others):
    del data[random.randrange(len(data) + 1):]


def _remove(random, data, others):
    at = random.randrange(len(data) + 1)
    del data[at:at + random.choice((1, 2, 4, 8, random.randrange(64) + 1))]


def _insert(random, data, others):
    at = random.randrange(len(data) + 1)
    data[at:at] = random.choice((b"\0", b"\xff" * 4, bytes(8), b'"', b"{", b"[" * 50, random.randbytes(8)))


def _repeat(random, data, others):
    at = random.randrange(len(data) + 1)
    piece = bytes(data[at:at + random.choice((1, 4, 16, 64))])
    data[at:at] = piece * random.choice((1, 2, 20))


def _splice(random, data, others):
    other = random.choice(others)
    at, start = random.randrange(len(data) + 1), random.randrange(len(other) + 1)
    data[at:] = other[start:]


def _extend(random, data, others):
    data += bytes(random.choice((1, 7, 8, 100, 5000)))


BYTES = (_flip, _flip, _byte, _byte, _number, _number, _cut, _remove, _insert, _repeat, _splice, _extend)
