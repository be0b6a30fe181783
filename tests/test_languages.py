"""docs/languages.md says which letters the default recognition model lacks."""

import re
import unicodedata
from pathlib import Path

import onnxruntime
import pytest
import rapidocr
from documentation import PAGES, table

LANGUAGES = PAGES["docs/languages.md"]
ALPHABETS = {
    # The letters beside a to z, lower case
    "Albanian": "çë",
    "Azerbaijani": "çəğıöşü",
    "Catalan": "àçèéíïòóúü",
    "Croatian": "čćđšž",
    "Czech": "áčďéěíňóřšťúůýž",
    "Danish": "æøå",
    "Dutch": "éëïóöü",
    "Estonian": "äõöüšž",
    "Finnish": "åäö",
    "French": "àâæçèéêëîïôœùûüÿ",
    "German": "äöüß",
    "Greek": "αβγδεζηθικλμνξοπρσςτυφχψωάέήίόύώ",
    "Hungarian": "áéíóöőúüű",
    "Icelandic": "áæéíðóöþúý",
    "Irish": "áéíóú",
    "Italian": "àèéìòù",
    "Latvian": "āčēģīķļņšūž",
    "Lithuanian": "ąčęėįšųūž",
    "Maltese": "ċġħż",
    "Norwegian": "æøå",
    "Polish": "ąćęłńóśźż",
    "Portuguese": "àáâãçéêíóôõú",
    "Romanian": "ăâîșț",
    "Slovak": "áäčďéíĺľňóôŕšťúýž",
    "Slovene": "čšž",
    "Spanish": "áéíñóúü",
    "Swedish": "åäö",
    "Turkish": "çğıöşü",
    "Vietnamese": "àáảãạăằắẳẵặâầấẩẫậđèéẻẽẹêềếểễệìíỉĩịòóỏõọôồốổỗộơờớởỡợùúủũụưừứửữựỳýỷỹỵ",
    "Welsh": "âêîôûŵŷ",
    "Yoruba": "ẹọṣ",
}


@pytest.fixture(scope="module")
def characters() -> set[str]:
    """The characters of the recognition model that comes with RapidOCR."""
    (path,) = (Path(rapidocr.__file__).parent / "models").glob("*_rec_small.onnx")
    metadata = onnxruntime.InferenceSession(path).get_modelmeta().custom_metadata_map
    return set(metadata["character"].splitlines())


def missing(language: str, characters: set[str]) -> str:
    """The letters of a language that the model lacks, lower case and then upper case."""
    lower = ALPHABETS[language]
    upper = "".join(dict.fromkeys(lower.replace("ß", "").upper()))
    upper += "İ" if language in ("Azerbaijani", "Turkish") else ""
    return "".join(letter for letter in lower + upper if letter not in characters)


def test_the_missing_letters_are_those_of_the_model(characters):
    lacking = {language: missing(language, characters) for language in ALPHABETS}
    shown = {language: letters for language, _, letters in table(LANGUAGES, "Greek")}
    assert {language: letters.replace(" ", "") for language, letters in shown.items()} == {
        language: letters for language, letters in lacking.items() if letters
    }
    for language, count, letters in table(LANGUAGES, "Greek"):
        assert int(count) == len(letters.replace(" ", "")), language
    (complete,) = re.findall(r"No letter is missing of (.*?)\.", LANGUAGES)
    names = re.split(", | or ", complete)
    assert sorted(names) == [language for language, letters in lacking.items() if not letters]


def test_the_size_of_the_list_and_what_is_not_in_it(characters):
    (size,) = re.findall(r"list of ([\d,]+) characters", LANGUAGES)
    assert int(size.replace(",", "")) == len(characters)
    scripts = {unicodedata.name(each[0], "").partition(" ")[0] for each in characters}
    assert {"CJK", "HIRAGANA", "KATAKANA", "LATIN", "GREEK"} <= scripts
    others = {"CYRILLIC", "HANGUL", "ARABIC", "HEBREW", "THAI", "DEVANAGARI"}
    assert scripts & others == set()
    assert "¿" in characters
    assert "¡" not in characters


def test_letters_said_to_be_rarely_read_are_in_the_list(characters):
    for _, letters, _ in table(LANGUAGES, "Turkish"):
        assert set(letters.split()) <= characters
