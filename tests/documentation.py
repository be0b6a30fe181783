"""The pages of the documentation: their blocks of code, their tables, and what a block prints."""

import re
import subprocess

from serving import ROOT, Server, clean_environ

README = (ROOT / "README.md").read_text()
CHINESE = (ROOT / "README.zh-CN.md").read_text()
PAGES = {
    str(path.relative_to(ROOT)): path.read_text()
    for path in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
}
ADDRESS = "http://localhost:3000"


def blocks(text: str, language: str) -> list[str]:
    """Return the fenced blocks of a language, without their fences."""
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def without_blocks(text: str) -> str:
    return re.sub(r"```.*?```", "", text, flags=re.DOTALL)


def tables(text: str) -> list[list[list[str]]]:
    """Return the rows of cells of each table, without its head and its rule."""
    found = re.findall(r"(?:^\|.*\|\n)+", text, re.MULTILINE)
    return [
        [[cell.strip() for cell in line.strip("|\n ").split(" | ")] for line in table.splitlines()][
            2:
        ]
        for table in found
    ]


def table(text: str, first: str) -> list[list[str]]:
    """Return the table whose first row begins with this cell."""
    return next(rows for rows in tables(text) if rows[0][0] == first)


def run(command: list[str], server: Server, source: str) -> str:
    """Run the source of a block against a server; return what it prints."""
    ended = subprocess.run(
        [*command, source.replace(ADDRESS, server.url)],
        cwd=ROOT,
        env=clean_environ(),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout
