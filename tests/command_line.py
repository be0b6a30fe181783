"""The command `rapidocr-bento` in processes of its own, and tiny drawn files for it to read."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from pdfs import FONTS
from PIL import Image, ImageDraw, ImageFont
from serving import ROOT, clean_environ

READ = [sys.executable, "-m", "ocr_runtime", "read"]
FONT = ImageFont.truetype(FONTS / "DejaVuSans.ttf", 32)


def environ(**variables: str) -> dict[str, str]:
    """The environment of the command, which imports this checkout."""
    return clean_environ(PYTHONPATH=str(ROOT)) | variables


def rapidocr_bento(
    *arguments: object, stdin: bytes = b"", cwd: Path = ROOT, **variables: str
) -> subprocess.CompletedProcess[bytes]:
    """Run the command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "ocr_runtime", *map(str, arguments)],
        input=stdin,
        cwd=cwd,
        env=environ(**variables),
        capture_output=True,
        timeout=110,
        check=False,
    )


def draw_line(path: Path, text: str) -> None:
    """Draw a line of text, which is the whole image."""
    image = Image.new("L", (int(FONT.getlength(text)) + 24, 48), 255)
    ImageDraw.Draw(image).text((12, 4), text, font=FONT, fill=0)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


def draw_numbers(folder: Path, count: int) -> dict[str, str]:
    """Draw files in folders of a hundred, each with a number of its own.

    Returns:
        the text of each file, by the name of its output.
    """
    texts = {}
    for number in range(count):
        name = f"{number // 100:02}/{number:04}.png"
        draw_line(folder / name, f"{3000 + number}")
        texts[f"{name}.txt"] = f"{3000 + number}"
    return texts


def manifest(out: Path, to: str = "text") -> list[dict[str, Any]]:
    """The outcomes in the order in which they were recorded."""
    _, *lines = (out / f"manifest.{to}.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def outputs(out: Path) -> dict[str, str]:
    """All files of a folder of outputs but its manifest, by their names."""
    return {
        path.relative_to(out).as_posix(): path.read_text().strip()
        for path in out.rglob("*")
        if path.is_file() and not path.name.startswith("manifest.")
    }


def wait_for_outcomes(out: Path, count: int, process: "subprocess.Popen[bytes]") -> None:
    """Wait until so many outcomes are recorded, or the process has ended."""
    path = out / "manifest.text.jsonl"
    while process.poll() is None and (not path.exists() or path.read_bytes().count(b"\n") <= count):
        time.sleep(0.02)


def with_the_command(folder: Path) -> str:
    """Make the command in a folder, as an installed package has it; return PATH with it."""
    script = folder / "rapidocr-bento"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m ocr_runtime "$@"\n')
    script.chmod(0o755)
    return f"{folder}:{clean_environ()['PATH']}"


TREE = {"a.png.txt": "Apple", "a.jpg.txt": "Pear", "deep/er/B.PNG.txt": "Cherry"}
"""The outputs of `draw_tree`."""
FAILED = {"deep/broken.png": "unsupported_image", "deep/empty.pdf": "empty_file"}
"""The codes of its files that cannot be read."""


def draw_tree(folder: Path) -> Path:
    """Make a folder with pictures, a broken one, an empty one, a text and a hidden file."""
    draw_line(folder / "a.png", "Apple")
    draw_line(folder / "a.jpg", "Pear")
    draw_line(folder / "deep/er/B.PNG", "Cherry")
    draw_line(folder / ".hidden/c.png", "Hidden")
    (folder / "deep/broken.png").write_bytes((folder / "a.png").read_bytes()[:90])
    (folder / "deep/empty.pdf").write_bytes(b"")
    (folder / "notes.txt").write_text("not a picture")
    return folder
