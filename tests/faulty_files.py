"""Images that crash or hang the process that decodes them.

No decoder that is used here is known to crash on any file. So the process gets a `sitecustomize`
that does, in the place of a decoder, what a faulty one would do, for images of these sizes.
"""

from pathlib import Path

from conftest import encoded
from PIL import Image, ImageDraw, ImageFont

CRASH, HANG = (311, 77), (313, 77)
"""Sizes in pixels."""

SITE = f"""
import os, signal, time

def install():
    from PIL import Image
    opened = Image.open

    def open_or_fail(*arguments, **options):
        image = opened(*arguments, **options)
        if image.size == {CRASH}:
            os.kill(os.getpid(), signal.SIGSEGV)
        while image.size == {HANG}:
            time.sleep(1)
        return image

    Image.open = open_or_fail

import sys
if "ocr_runtime.bulk.reader_child" in sys.orig_argv:
    install()
"""


def site(folder: Path) -> str:
    """Write the `sitecustomize`; return what PYTHONPATH has to be."""
    (folder / "sitecustomize.py").write_text(SITE)
    return str(folder)


def drawn(text: str, size: tuple[int, int] = (300, 77)) -> Image.Image:
    image = Image.new("L", size, 255)
    ImageDraw.Draw(image).text((16, 20), text, 0, ImageFont.load_default(28))
    return image


def png(text: str, size: tuple[int, int] = (300, 77)) -> bytes:
    return encoded(drawn(text, size))


def tiff(*pages: Image.Image) -> bytes:
    return encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:])
