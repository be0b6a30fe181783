"""A file -> the same file, changed at random."""

import random
import re
import struct
import zlib


def mutate(data: bytes, others: list[bytes], dice: random.Random) -> bytes:
    """Change a file in one to four ways."""
    changed = bytearray(data)
    ways = WAYS + [change_word] * 3 if data.startswith(b"%PDF-") else WAYS
    for _ in range(dice.randint(1, 4)):
        if changed:
            dice.choice(ways)(changed, dice.randrange(len(changed)), others, dice)
    if changed[:4] == b"\x89PNG" and dice.random() < 0.7:
        return with_checksums(bytes(changed))  # else decoding ends at the first changed chunk
    return bytes(changed)


# Each changes a file, somewhere or from a position on.


def flip_bits(changed: bytearray, _: int, __: list[bytes], dice: random.Random) -> None:
    for _ in range(dice.randint(1, 16)):
        changed[dice.randrange(len(changed))] ^= 1 << dice.randrange(8)


def truncate(changed: bytearray, at: int, _: list[bytes], __: random.Random) -> None:
    del changed[at:]


def swap(changed: bytearray, at: int, _: list[bytes], dice: random.Random) -> None:
    size = dice.randint(1, 64)
    to = dice.randrange(len(changed))
    changed[at : at + size], changed[to : to + size] = (
        changed[to : to + size],
        changed[at : at + size],
    )


def splice(changed: bytearray, at: int, others: list[bytes], dice: random.Random) -> None:
    other = dice.choice(others)
    cut = dice.randrange(len(other))
    changed[at : at + dice.randint(0, 64)] = other[cut : cut + dice.randint(1, 256)]


def exaggerate(changed: bytearray, at: int, _: list[bytes], dice: random.Random) -> None:
    """Put an extreme number there."""
    size = dice.choice((1, 2, 4))
    value = dice.choice((0, 1, 127, 128, 255, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF))
    order = dice.choice(("little", "big"))
    changed[at : at + size] = (value & (256**size - 1)).to_bytes(size, order)


def repeat(changed: bytearray, at: int, _: list[bytes], dice: random.Random) -> None:
    changed[at:at] = changed[at : at + dice.randint(1, 64)] * dice.randint(1, 8)


def delete(changed: bytearray, at: int, _: list[bytes], dice: random.Random) -> None:
    del changed[at : at + dice.randint(1, 64)]


def change_word(changed: bytearray, at: int, _: list[bytes], dice: random.Random) -> None:
    """Replace a number of a PDF, or a name by another one of the file."""
    if dice.random() < 0.7:
        found, new = _NUMBER.search(changed, at), dice.choice(_NUMBERS.split())
    else:
        names = _NAME.findall(changed)
        found, new = _NAME.search(changed, at), dice.choice(names) if names else b"/X"
    if found:
        changed[found.start() : found.end()] = new


WAYS = [flip_bits, truncate, swap, splice, exaggerate, repeat, delete]

_NUMBER = re.compile(rb"-?[0-9]+(\.[0-9]+)?")
_NUMBERS = (
    b"0 -1 1 2 3 5 7 0.001 -0.5 255 65535 65536 1e9 2147483647 4294967296 1e40 99999999999999"
)
_NAME = re.compile(rb"/[A-Za-z0-9]+")


def with_checksums(png: bytes) -> bytes:
    """Correct the checksums of a PNG's chunks."""
    mended, at = [png[:8]], 8
    while at + 12 <= len(png):
        (size,) = struct.unpack_from(">I", png, at)
        end = at + 8 + size
        if end + 4 > len(png):
            break
        mended += [png[at:end], struct.pack(">I", zlib.crc32(png[at + 4 : end]))]
        at = end + 4
    return b"".join(mended) + png[at:]
