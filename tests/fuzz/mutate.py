"""Bytes made worse, by a seed: the same seed damages in the same way."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

_LONGEST = 50_000
_ODD_BYTES = (0, 1, 9, 10, 32, 44, 45, 48, 57, 0x7F, 0x80, 0xFE, 0xFF)


def mutated(pool: Sequence[bytes], tokens: Sequence[bytes], draw: random.Random) -> bytes:
    """One input of the pool with one to eight injuries, most of them where headers are."""
    data = bytearray(draw.choice(pool))
    for _ in range(draw.choice((1, 1, 2, 3, 5, 8))):
        at = int(len(data) * draw.random() ** draw.choice((1, 2, 4)))
        draw.choice(_INJURIES)(data, at, pool, tokens, draw)
    return bytes(data[:_LONGEST])


def _flip(data: bytearray, at: int, pool: Sequence[bytes], tokens: Sequence[bytes], draw: random.Random) -> None:
    data[at : at + 1] = bytes([(data[at] if at < len(data) else 0) ^ (1 << draw.randrange(8))])


def _odd(data: bytearray, at: int, pool: Sequence[bytes], tokens: Sequence[bytes], draw: random.Random) -> None:
    count = draw.choice((1, 1, 2, 4))
    data[at : at + count] = bytes([draw.choice(_ODD_BYTES)]) * count


def _over(data: bytearray, at: int, pool: Sequence[bytes], tokens: Sequence[bytes], draw: random.Random) -> None:
    token = draw.choice(tokens)
    data[at : at + len(token)] = token


def _insert(data: bytearray, at: int, pool: Sequence[bytes], tokens: Sequence[bytes], draw: random.Random) -> None:
    data[at:at] = draw.choice(tokens) if draw.random() < 0.7 else draw.randbytes(draw.choice((1, 2, 8, 300)))


def _cut(data: bytearray, at: int, pool: Sequence[bytes], tokens: Sequence[bytes], draw: random.Random) -> None:
    del data[at : at + draw.choice((1, 2, 8, 128, 4096))]


def _end(data: bytearray, at: int, pool: Sequence[bytes], tokens: Sequence[bytes], draw: random.Random) -> None:
    del data[at:]


def _repeat(data: bytearray, at: int, pool: Sequence[bytes], tokens: Sequence[bytes], draw: random.Random) -> None:
    data[at:at] = data[at : at + draw.choice((4, 16, 64, 256))] * draw.choice((1, 2, 50))


def _splice(data: bytearray, at: int, pool: Sequence[bytes], tokens: Sequence[bytes], draw: random.Random) -> None:
    other = draw.choice(pool)
    start = draw.randrange(len(other) + 1)
    data[at : at + draw.choice((0, 16, 256))] = other[start : start + draw.choice((16, 256, 4096))]


Injury = Callable[[bytearray, int, Sequence[bytes], Sequence[bytes], random.Random], None]
_INJURIES: tuple[Injury, ...] = (_flip, _flip, _odd, _odd, _over, _over, _insert, _cut, _end, _repeat, _splice)


def smaller(data: bytes, still: Callable[[bytes], bool]) -> bytes:
    """The input without every piece that is not needed to make it fail."""
    size = max(1, len(data) // 2)
    while size:
        at = 0
        while at < len(data):
            less = data[:at] + data[at + size :]
            if still(less):
                data = less
            else:
                at += size
        size //= 2
    return data
