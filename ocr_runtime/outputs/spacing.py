"""A line with its words -> before which words there is a space."""

from collections.abc import Sequence

from ocr_runtime.reading.page import Line, Word


def spaced_words(line: Line) -> list[tuple[Word, bool]]:
    """The words of a line, and whether a space stands before each.

    Returns:
        Nothing if the line has no words, or if they do not spell its text: RapidOCR's own, with
        the profile `exact`, may lack characters.
    """
    words, text = [word for word in line.words or () if word.text.strip()], line.text or ""
    if _solid([word.text for word in words]) != _solid([text]):
        return []
    spaced: list[tuple[Word, bool]] = []
    position = 0
    for word in words:
        start = position + len(text[position:]) - len(text[position:].lstrip())
        spaced.append((word, bool(spaced) and start > position))
        position = start
        for character in "".join(word.text.split()):
            position = text.index(character, position) + 1
    return spaced


def _solid(texts: Sequence[str]) -> str:
    return "".join("".join(text.split()) for text in texts)
