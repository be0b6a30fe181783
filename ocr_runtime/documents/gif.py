"""The bytes of a GIF -> how many frames it has."""

_MAX_BLOCKS = 1_000_000
"""How far blocks are followed, so that counting takes no more than 0.2 s. A block has up to 255
bytes: enough for 200 MB."""

_EXTENSION, _FRAME = 0x21, 0x2C


def count_frames(data: bytes) -> int:
    """Count the frames, as far as the file is intact and `_MAX_BLOCKS` reach; 1 at least."""
    frames, blocks = 0, 0
    try:
        position = 13 + _palette_bytes(data[10])
        while blocks < _MAX_BLOCKS:
            kind = data[position]
            if kind == _FRAME:
                position += 11 + _palette_bytes(data[position + 9])
            elif kind == _EXTENSION:
                position += 2
            else:
                break
            while (size := data[position]) and blocks < _MAX_BLOCKS:
                position += size + 1
                blocks += 1
            position += 1
            blocks += 1
            frames += kind == _FRAME
    except IndexError:  # the file ends early
        pass
    return max(1, frames)


def _palette_bytes(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0
