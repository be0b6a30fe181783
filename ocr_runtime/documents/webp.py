"""The bytes of a WebP -> the same, with the file size in its header mended."""

_MAX_CHUNKS = 100_000


def with_right_size(data: bytes) -> bytes:
    """Replace the file size in the header if no chunk ends there.

    libwebp refuses a file that states a wrong size. The right one is the end of the last chunk that
    is not cut off, so a truncated file stays one.
    """
    stated_end = int.from_bytes(data[4:8], "little") + 8
    if stated_end == len(data):
        return data
    end = 12
    for _ in range(_MAX_CHUNKS):
        next_end = end + 8 + int.from_bytes(data[end + 4 : end + 8], "little")
        if end == stated_end or next_end > len(data):
            break
        end = next_end + next_end % 2
    if end == stated_end:
        return data  # what follows is not part of the picture
    return data[:4] + (end - 8).to_bytes(4, "little") + data[8:end].ljust(end - 8, b"\0")
