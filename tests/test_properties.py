"""What holds for any input, not only for those of the other tests: hypothesis looks for others.

Each run tries the same examples; `PROPERTY_EXAMPLES=10000 scripts/test --timeout 0
tests/test_properties.py` tries others, and more of them.
"""

import base64
import json
import os
import re
import subprocess
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl, urlencode

import numpy as np
import pytest
from conftest import encoded
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from serving import BENTOML, ROOT, clean_environ, serving
from urllib3.filepost import encode_multipart_formdata

from ocr_runtime.documents.base64_text import from_base64
from ocr_runtime.documents.images import decode
from ocr_runtime.errors import InvalidBase64, InvalidOption, MissingImage, OCRError
from ocr_runtime.serving.forms import READERS, Names, ParsedForm, parse
from ocr_runtime.serving.requests import OCRRequest, RequestOptions
from ocr_runtime.serving.validation import validate_request

EXAMPLES = int(os.environ.get("PROPERTY_EXAMPLES", "100"))
settings.register_profile(
    "properties",
    deadline=None,
    max_examples=EXAMPLES,
    derandomize="PROPERTY_EXAMPLES" not in os.environ,
    database=None,
    print_blob=True,
)
settings.load_profile("properties")


# The server and its document


@pytest.mark.slow
def test_the_server_answers_as_its_document_says(tmp_path):
    hooks = {"SCHEMATHESIS_HOOKS": "schemathesis_hooks", "PYTHONPATH": str(ROOT / "tests")}
    with serving(tmp_path, OCR_MAX_DET_PIXELS="100000") as server:  # sooner
        operations = sum(map(len, server.get("/docs.json").json()["paths"].values()))
        ended = subprocess.run(
            [
                BENTOML.with_name("schemathesis"),
                *("run", f"{server.url}/docs.json", "--checks", "all", "--continue-on-failure"),
                *("--max-examples", str(EXAMPLES), "--generation-database", "none", "--no-color"),
            ],
            cwd=tmp_path,
            env=clean_environ(**hooks),
            capture_output=True,
            text=True,
            check=False,
        )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert f"{operations} selected / {operations} total" in ended.stdout


# Base64


@st.composite
def dressed(draw: st.DrawFn) -> tuple[bytes, str]:
    """Some bytes, and one of the ways to write them as base64."""
    data = draw(st.binary(min_size=1))
    write = draw(st.sampled_from([base64.b64encode, base64.urlsafe_b64encode]))
    digits = write(data).decode()
    if draw(st.booleans()):
        digits = digits.rstrip("=")
    width, end = draw(st.integers(1, 80)), draw(st.sampled_from(["", "\n", "\r\n", " ", "\t"]))
    lines = "".join(digits[i : i + width] + end for i in range(0, len(digits), width))
    prefixes = ["", "data:image/png;base64,", " DATA:;BASE64,\r\n", "data:a/b;c=d;base64,"]
    return data, draw(st.sampled_from(prefixes)) + lines


@given(dressed())
def test_base64_in_any_dress_is_the_bytes_it_was(pair):
    data, text = pair
    assert from_base64(text) == data


@given(st.text(st.sampled_from("AZaz09+/-_==\r\n\t ") | st.characters(), max_size=12))
def test_what_is_no_base64_is_refused_and_what_is_is_not(text):
    digits = re.sub(r"[ \t\r\n\v\f]", "", text).rstrip("=")
    if not digits:
        expected = MissingImage
    elif re.fullmatch(r"[A-Za-z0-9+/_-]+", digits) and len(digits) % 4 != 1:
        assert len(from_base64(text)) == len(digits) * 6 // 8
        return
    else:
        expected = InvalidBase64
    with pytest.raises(expected):
        from_base64(text)


# Options

ANY_TEXT = st.text(st.characters())  # surrogates, too
# A model, once open, has its thread take subnormal numbers for zero.
FLOATS = st.floats(allow_nan=False, allow_subnormal=False)
SCALARS = st.none() | st.booleans() | st.integers() | FLOATS | ANY_TEXT
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(ANY_TEXT, inner))
SPELT = st.sampled_from(
    ["", "true", "OFF", "1", 0, "0.5", 1.0, "1e0", "nan", float("nan"), 10**400]
)


@given(st.dictionaries(st.sampled_from(sorted(RequestOptions.model_fields)), SPELT | JSON))
def test_an_option_is_of_its_type_or_named(fields):
    named, options = "", ()
    try:
        options = validate_request(ParsedForm({"image_data": "aGk=", **fields})).options
    except InvalidOption as exc:
        named = str(exc).partition(" ")[0]
    assert named in {"", *fields}
    bounds = {"text_score": (0, 1), "box_thresh": (0, 1), "unclip_ratio": (1, 4)}
    for name, option in options:
        if fields.get(name, "") in (None, ""):
            assert option is None
        elif name in bounds:
            assert isinstance(option, float)
            assert bounds[name][0] <= option <= bounds[name][1]
        else:
            assert isinstance(option, bool)


@given(st.dictionaries(st.sampled_from(sorted(OCRRequest.model_fields)), JSON | st.binary()))
def test_any_fields_are_a_request_or_our_error(fields):
    try:
        image = validate_request(ParsedForm(fields)).data
    except OCRError:
        return
    assert isinstance(image, bytes | str)
    assert image


# Forms


def names_of(fields: Iterable[str]) -> Names:
    return Names(fields={name: name for name in fields}, file="image_file", text="image_data")


OURS = st.sampled_from(sorted(OCRRequest.model_fields))
PLAIN = st.characters(codec="utf-8")
# BentoML's client writes text as JSON; what looks like that is read like that.
TEXT = st.text(PLAIN).filter(lambda text: text != "null" and text[:1] + text[-1:] != '""')
# A browser, and urllib3, write the first three in a name as if they were in a URL; a backslash is
# taken for an escape by python-multipart.
NAME = OURS | st.text(st.characters(codec="utf-8", exclude_characters='"\r\n\\'))
BOUNDARY = st.text("aZ09'()+_,-./:=?", min_size=1, max_size=70)


@given(
    fields=st.dictionaries(NAME, TEXT, max_size=20),
    image=st.binary(),
    file_name=st.text(PLAIN) | st.text(PLAIN, max_size=1).map(lambda text: text * 10_000),
    label=st.sampled_from(["image/png", "nonsense", "", "a/b; c=d"]),
    boundary=BOUNDARY,
)
def test_multipart_is_read_as_it_was_written(fields, image, file_name, label, boundary):
    expected = fields | {"image_file": image}
    parts = expected | {"image_file": (file_name, image, label)}
    body, _ = encode_multipart_formdata(parts, boundary)
    assume(body.count(f"--{boundary}".encode()) == len(parts) + 1)
    content_type = f'multipart/form-data; boundary="{boundary}"'
    assert parse(content_type, body, names=names_of(expected)).fields == expected


@given(st.dictionaries(NAME, TEXT, max_size=20))
def test_a_urlencoded_form_is_read_as_it_was_written(fields):
    assume("image_data" not in fields or " " not in fields["image_data"])  # taken for a plus sign
    body = urlencode(fields).encode()
    assert parse("application/x-www-form-urlencoded", body, names=names_of(fields)).fields == fields


@given(st.text("af=&%+2bB5Cc3\r;,:/").map(lambda text: text + "%c3%BC"))
def test_a_urlencoded_form_is_read_as_the_standard_library_does(body):
    pairs = parse_qsl(body, keep_blank_values=True)
    assume(len(pairs) == len(dict(pairs)) and "%22" not in body)
    read = parse(
        "application/x-www-form-urlencoded", body.encode(), names=names_of(dict(pairs))
    ).fields
    assert read == dict(pairs)


@given(st.dictionaries(ANY_TEXT, st.text(PLAIN), max_size=20))
def test_text_as_bentomls_client_writes_it_is_read_as_it_was(fields):
    fields = {f"f{i}": text for i, text in enumerate(fields.values())}
    written = {name: json.dumps(text) for name, text in fields.items()}
    for body, content_type in [
        encode_multipart_formdata(written),
        (urlencode(written).encode(), "application/x-www-form-urlencoded"),
    ]:
        assert parse(content_type, body, names=names_of(fields)).fields == fields


@given(
    fields=st.dictionaries(
        OURS | ANY_TEXT,
        SCALARS,
    ),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32-be"]),
)
def test_json_is_read_as_it_was_written(fields, encoding):
    body = json.dumps(fields).encode(encoding)
    assert parse("application/json", body, names=names_of(fields)).fields == fields


PIECES = st.sampled_from(
    [
        *(b"--b", b"--b--", b"\r\n", b"\r\n\r\n", b"\n", b"--", b'"', b"\\", b";", b"=", b"\0"),
        *(b"Content-Disposition: form-data", b'; name="image_file"', b"; name=", b"; filename="),
        *(b"Content-Transfer-Encoding: ", b"base64", b"quoted-printable", b"8bit", b"aGk="),
        *(b"use_det", b"image_data", b"&", b"%", b"%4", b"+", b"null", b"{", b"}", b"[", b":"),
        *(b'{"image_data": "', b"1e999", b"NaN", b"\\ud800", b"\xff\xfe", b"\xef\xbb\xbf"),
    ]
)
LABELS = st.sampled_from(
    [
        *READERS,
        "multipart/form-data; boundary=b",
        "multipart/form-data; boundary=",
        'Multipart/Form-Data; boundary="b"; charset=utf-8',
        "multipart/form-data; boundary*=utf-8''b",
        "multipart/form-data; boundary=" + "b" * 100,
    ]
)


@given(
    content_type=LABELS | st.text(st.characters(max_codepoint=255)),
    body=st.binary() | st.lists(PIECES | st.binary(max_size=4), max_size=30).map(b"".join),
)
def test_any_body_is_fields_or_our_error(content_type, body):
    try:
        form = parse(content_type, body, names=OCRRequest.names())
        validate_request(form)
    except OCRError:
        return
    assert set(form.fields) <= set(OCRRequest.model_fields)


# Decoding

MAGIC = [
    *(b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\x1c\0\0\0WEBPVP8L", b"BM", b"GIF89a"),
    *(b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08"),
]


@given(st.builds(bytes.__add__, st.sampled_from(MAGIC), st.binary()) | ANY_TEXT)
def test_anything_is_a_page_or_our_error(data):
    try:
        page = decode(data, max_pixels=10_000).pixels
    except OCRError:
        return
    assert page.dtype == np.uint8
    assert page.ndim == 3


def samples(*depth: int, most: int = 255, dtype: type = np.uint8) -> st.SearchStrategy[np.ndarray]:
    sides = st.integers(1, 12)
    shapes = st.tuples(sides, sides).map(lambda size: (*size, *depth))
    return shapes.flatmap(lambda shape: arrays(dtype, shape, elements=st.integers(0, most)))


LOSSLESS: dict[str, dict[str, Any]] = {
    "PNG": {},
    "BMP": {},
    "GIF": {},
    "TIFF": {},
    "TIFF lzw": {"compression": "tiff_lzw"},
    "TIFF deflate": {"compression": "tiff_adobe_deflate"},
    "TIFF packbits": {"compression": "packbits"},
    "TIFF fax": {"compression": "group4"},
    "WEBP": {"lossless": True, "exact": True},
}
TIFFS = [kind for kind in LOSSLESS if kind.startswith("TIFF") and kind != "TIFF fax"]
UPRIGHT = {  # of what is stored, by EXIF orientation; https://exiftool.org/TagNames/EXIF.html
    1: lambda page: page,
    2: np.fliplr,
    3: lambda page: np.rot90(page, 2),
    4: np.flipud,
    5: lambda page: np.swapaxes(page, 0, 1),
    6: lambda page: np.rot90(page, -1),
    7: lambda page: np.rot90(np.swapaxes(page, 0, 1), 2),
    8: np.rot90,
}


def seen(image: Image.Image, kind: str, orientation: int = 1, **options: Any) -> np.ndarray:
    """Save an image, decode it and return its RGB."""
    if orientation != 1:
        exif = Image.Exif()
        exif[0x0112] = orientation
        options["exif"] = exif
    data = encoded(image, kind.partition(" ")[0], **LOSSLESS[kind], **options)
    return decode(data, max_pixels=1_000).pixels[:, :, ::-1]


def gray(shades: np.ndarray) -> np.ndarray:
    return np.stack([shades] * 3, axis=2)


def kinds(*names: str) -> st.SearchStrategy[tuple[str, int]]:
    """A way to save losslessly, and an orientation where it can have one."""
    turns = st.integers(1, 8)
    return st.sampled_from(names).flatmap(
        lambda kind: st.tuples(st.just(kind), st.just(1) if kind in ("BMP", "GIF") else turns)
    )


@given(samples(3), kinds("PNG", "BMP", "WEBP", *TIFFS))
def test_colour_is_kept(pixels, kind):
    assert np.array_equal(seen(Image.fromarray(pixels), *kind), UPRIGHT[kind[1]](pixels))


@given(samples(), kinds("PNG", "BMP", "GIF", "WEBP", *TIFFS))
def test_gray_is_kept(pixels, kind):
    assert np.array_equal(seen(Image.fromarray(pixels), *kind), UPRIGHT[kind[1]](gray(pixels)))


@given(samples(most=1), kinds("PNG", "BMP", "GIF", "TIFF fax", *TIFFS))
def test_bits_are_kept(pixels, kind):
    image = Image.fromarray(pixels * 255).convert("1")
    assert np.array_equal(seen(image, *kind), UPRIGHT[kind[1]](gray(pixels * 255)))


@given(samples(most=0xFFFF, dtype=np.uint16), kinds("PNG", *TIFFS[:3]))
def test_of_16_bits_the_upper_8_are_kept(pixels, kind):
    upper = (pixels >> 8).astype(np.uint8)
    assert np.array_equal(seen(Image.fromarray(pixels), *kind), UPRIGHT[kind[1]](gray(upper)))


PALETTE = arrays(np.uint8, (16, 3))


@given(samples(most=15), PALETTE, kinds("PNG", "BMP", "GIF", *TIFFS))
def test_a_palette_is_kept(indices, palette, kind):
    image = Image.fromarray(indices)
    image.putpalette(palette.tobytes())
    assert np.array_equal(seen(image, *kind), UPRIGHT[kind[1]](palette[indices]))


def on_ground(colours: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Lay colours on white, or on black if what is visible is light; RGB, float."""
    visible = colours[alpha > 0].astype(float)
    ground = 255.0
    if len(visible):
        lightness = float((visible @ [0.299, 0.587, 0.114]).mean())
        assume(abs(lightness - 128) > 1)
        ground = 0.0 if lightness > 128 else 255.0
    share = alpha[..., None] / 255
    return colours * share + ground * (1 - share)


def alpha_as_seen(alpha: np.ndarray, kind: str) -> np.ndarray:
    """The alpha that is applied: that of a TIFF which is 0 everywhere means to be opaque."""
    return alpha if alpha.any() or kind not in TIFFS else np.full_like(alpha, 255)


@given(samples(4), kinds("PNG", "WEBP", *TIFFS))
@example(np.zeros((1, 1, 4), np.uint8), ("TIFF", 1))
def test_a_transparent_page_lies_on_its_ground(pixels, kind):
    alpha = alpha_as_seen(pixels[..., 3], kind[0])
    truth = UPRIGHT[kind[1]](on_ground(pixels[..., :3], alpha))
    assert np.abs(seen(Image.fromarray(pixels), *kind) - truth).max() <= 1


@given(samples(2), kinds("PNG", *TIFFS))
def test_a_transparent_gray_page_lies_on_its_ground(pixels, kind):
    alpha = alpha_as_seen(pixels[..., 1], kind[0])
    truth = UPRIGHT[kind[1]](on_ground(gray(pixels[..., 0]), alpha))
    assert np.abs(seen(Image.fromarray(pixels), *kind) - truth).max() <= 1


@given(samples(most=15), PALETTE, kinds("PNG", "GIF"), st.integers(0, 15))
@example(np.zeros((1, 1), np.uint8), np.zeros((16, 3), np.uint8), ("PNG", 1), 0)
def test_a_palettes_transparent_colour_is_the_ground(indices, palette, kind, nothing):
    image = Image.fromarray(indices)
    image.putpalette(palette.tobytes())
    alpha = np.where(indices == nothing, 0, 255)
    truth = UPRIGHT[kind[1]](on_ground(palette[indices], alpha))
    assert np.array_equal(seen(image, *kind, transparency=nothing), truth)
