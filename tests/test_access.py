"""API keys and web origins: which requests are answered."""

import pytest
import requests
from conftest import TRUTH, page_bytes
from serving import Server, serving
from test_contract import assert_error

pytestmark = pytest.mark.slow

LINE = page_bytes("line.png")
KEYS = ("first-key-1", "second/key+2")
ALLOWED = [
    {"authorization": f"Bearer {KEYS[0]}"},
    {"authorization": f"bearer  {KEYS[1]}"},
    {"x-api-key": KEYS[1]},
    {"X-API-Key": "from-the-file"},
    {"x-api-key": KEYS[0], "authorization": "Basic Zm9vOmJhcg=="},
]
REFUSED = [
    {},
    {"x-api-key": ""},
    {"authorization": "Bearer "},
    {"authorization": f"Basic {KEYS[0]}"},
    {"authorization": f"token {KEYS[0]}"},
    {"authorization": KEYS[0]},
    {"x-api-key": KEYS[0][:-1]},
    {"x-api-key": KEYS[0] + "1"},
    {"x-api-key": ",".join(KEYS)},
    {"x-api-key": KEYS[0], "authorization": "Bearer wrong-key"},
]


@pytest.fixture(scope="module")
def locked(tmp_path_factory):
    folder = tmp_path_factory.mktemp("locked")
    (folder / "keys").write_text("from-the-file\n\n")
    with serving(
        folder,
        OCR_API_KEYS=", ".join(KEYS),
        OCR_API_KEYS_FILE=str(folder / "keys"),
        OCR_PUBLIC_METRICS="false",
        OCR_CORS_ORIGINS="https://app.example",
    ) as running:
        yield running


def post(server: Server, headers: dict[str, str]) -> requests.Response:
    files = {"image_file": LINE}
    data = {"use_det": "false"}
    return requests.post(server.url + "/ocr", files=files, data=data, headers=headers, timeout=60)


@pytest.mark.parametrize("headers", ALLOWED, ids=str)
def test_a_request_with_a_key_is_answered(headers, locked):
    assert post(locked, headers).json()["0"]["rec_txt"] == TRUTH["line.png"][0]


@pytest.mark.parametrize("headers", REFUSED, ids=str)
def test_a_request_without_a_valid_key_is_refused(headers, locked):
    response = post(locked, headers)
    assert_error(response, 401, "unauthorized")
    assert response.headers["www-authenticate"] == "Bearer"


def test_a_large_body_without_a_key_gets_its_refusal(locked):
    response = requests.post(locked.url + "/ocr", data=bytes(15 << 20), timeout=60)
    assert_error(response, 401, "unauthorized")


def test_probes_need_no_key_and_docs_and_metrics_follow_their_settings(locked, server):
    for path in (
        *("/livez", "/readyz", "/docs", "/docs.json", "/static_content/swagger-ui.css"),
        *("/", "/web/page.js", "/web/service.json"),
    ):
        assert locked.get(path).status_code == 200, path
    for path in (
        "/metrics",
        "/nothing",
        "/static_content/../ocr",
        "/web/../ocr",
        "//ocr",
        "/livez/",
    ):
        assert locked.get(path).status_code == 401, path
    key = {"x-api-key": KEYS[0]}
    assert requests.get(locked.url + "/metrics", headers=key, timeout=30).ok
    assert server.get("/metrics").ok


def test_the_openapi_document_describes_the_keys(locked, server):
    document = locked.get("/docs.json").json()
    assert document["paths"]["/ocr"]["post"]["security"] == [{"bearer": []}, {"header": []}]
    schemes = document["components"]["securitySchemes"]
    assert schemes["bearer"] == {"type": "http", "scheme": "bearer"}
    assert schemes["header"] == {"type": "apiKey", "in": "header", "name": "X-API-Key"}
    assert "security" not in server.get("/docs.json").json()["paths"]["/ocr"]["post"]


def test_keys_are_never_logged(locked):
    post(locked, {"x-api-key": KEYS[0]})
    post(locked, {"x-api-key": "another-wrong-key"})
    assert not any(key in locked.log() for key in (*KEYS, "from-the-file", "another-wrong-key"))


def test_pages_of_configured_origins_may_call(locked):
    origin = {"origin": "https://app.example"}
    asked = {
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization",
    }
    preflight = requests.options(locked.url + "/ocr", headers=origin | asked, timeout=30)
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-origin"] == origin["origin"]
    for headers in (origin, origin | {"x-api-key": KEYS[0]}):  # errors can be read, too
        response = post(locked, headers)
        assert response.headers["access-control-allow-origin"] == origin["origin"]
    other = {"origin": "https://other.example"}
    assert "access-control-allow-origin" not in post(locked, other).headers
    assert (
        requests.options(locked.url + "/ocr", headers=other | asked, timeout=30).status_code == 400
    )


def test_a_refused_preflight_has_an_error_body_and_a_request_id(locked):
    asked = {"origin": "https://other.example", "access-control-request-method": "POST"}
    response = requests.options(locked.url + "/ocr", headers=asked, timeout=30)
    assert_error(response, 400, "malformed_request")
    assert response.headers["x-request-id"]


def test_by_default_pages_of_other_origins_may_not_call(server):
    response = post(server, {"origin": "https://app.example"})
    assert response.ok
    assert "access-control-allow-origin" not in response.headers


def test_a_start_without_keys_says_once_that_everybody_may_call(tmp_path, locked):
    warning = "whoever reaches the port may call this service"
    with serving(tmp_path, OCR_WORKERS="2", OCR_THREADS="1") as running:
        assert running.log().count(warning) == 1
    assert warning not in locked.log()
