"""Lines that were read, lines that are true -> counts; counts of some pages -> rates in percent."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

from rapidfuzz import fuzz, process
from rapidfuzz.distance import Levenshtein

RATES = {
    "characters not read, %": "unread",
    "text in order wrong, %": "disordered",
    "word F1, %": "words",
    "spaces lost, of 100": "lost",
    "spaces too many, of 100": "added",
}
"""The title of each rate, and its name in `rates`."""

_ONE_KIND = dict.fromkeys(range(0x2018, 0x201C), "'")
_ONE_KIND |= dict.fromkeys(range(0x201C, 0x2020), '"')
_ONE_KIND |= dict.fromkeys([*range(0x2010, 0x2016), 0x2212], "-")
"""Quotes and dashes, by their code points."""

_CJK = "\u2e80-\ua4fd\uf900-\ufaff"
_WORD = re.compile(f"[{_CJK}]|[^\\s{_CJK}]+")
"""A character of Chinese or Japanese, or anything else between spaces."""

_ALIKE = 90
"""Least likeness of a line read and a true one, in percent, from which their spaces are compared:
most characters are then the same, and other lines of a page are hardly that like."""


def normal(lines: Iterable[str]) -> list[str]:
    """Bring lines into Unicode's form NFKC with single spaces, one kind of quote and of dash.

    Lines without text are dropped.
    """
    texts = (unicodedata.normalize("NFKC", line.translate(_ONE_KIND)) for line in lines)
    return [text for text in (" ".join(text.split()) for text in texts) if text]


def count(truth: Sequence[str], read: Sequence[str]) -> Counter[str]:
    """Compare one page.

    - Bags of characters and of words, whatever their order: what they have in common. S.
      Pletschacher, C. Clausner, A. Antonacopoulos, Europeana Newspapers OCR Workflow Evaluation,
      HIP 2015.
    - Edits between the text read, in its order, and the true one in reading order. S. V. Rice,
      F. R. Jenkins, T. A. Nartker, The Fifth Annual Test of OCR Accuracy, ISRI 1996.
    - Spaces: see `_spaces`.

    Args:
        truth: lines in reading order.
        read: lines in the order of the answer.
    """
    truth, read = normal(truth), normal(read)
    whole, answer = " ".join(truth), " ".join(read)
    found = _spaces(truth, read)
    for name, bag, other in (
        ("characters", whole.replace(" ", ""), answer.replace(" ", "")),
        ("words", _WORD.findall(whole), _WORD.findall(answer)),
    ):
        found[f"{name} both"] = len(bag) + len(other)
        found[f"{name} common"] = (Counter(bag) & Counter(other)).total()
    found["edits"] = Levenshtein.distance(whole, answer)
    found["length"] = len(whole)
    return found


def _spaces(truth: Sequence[str], read: Sequence[str]) -> Counter[str]:
    """Count the spaces of lines, those lost and those too many.

    Each true line is compared with the line read that is most like it. Spaces that the shortest
    edit between them takes away are lost, those that it puts in are too many. Lines that nothing
    read is like say nothing of spaces: they are not read, or as part of another line.
    """
    found: Counter[str] = Counter()
    left = dict(enumerate(read))
    for line in truth:
        best = process.extractOne(line, left, scorer=fuzz.ratio, score_cutoff=_ALIKE)
        if best is None:
            continue
        answer = left.pop(best[2])
        found["spaces"] += line.count(" ")
        for edit in Levenshtein.editops(line, answer):
            found["lost"] += edit.tag == "delete" and line[edit.src_pos] == " "
            found["added"] += edit.tag == "insert" and answer[edit.dest_pos] == " "
    return found


def rates(counts: Counter[str]) -> dict[str, float]:
    """Counts, added up over pages -> rates in percent; 0 / 0 is 0.

    Of bags F1 is twice what is common by the sum of both sizes; 100 less that is "unread". The
    character error rate is edits by true length: more than 100 if much more is read than there is.
    """

    def part(some: float, of: str) -> float:
        return 100 * some / counts[of] if counts[of] else 0.0

    return {
        "unread": part(
            counts["characters both"] - 2 * counts["characters common"], "characters both"
        ),
        "disordered": part(counts["edits"], "length"),
        "words": part(2 * counts["words common"], "words both"),
        "lost": part(counts["lost"], "spaces"),
        "added": part(counts["added"], "spaces"),
    }
