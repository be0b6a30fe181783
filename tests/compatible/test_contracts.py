"""What all contracts of other services have in common."""

import base64
import re
import time
from typing import get_args

import pytest
import requests
from conftest import TRUTH, page_bytes
from documentation import table
from pdfs import drawn, encrypted, text_page
from serving import ROOT, serving

from ocr_runtime.errors import MethodNotAllowed
from ocr_runtime.serving.compatible.contracts import CONTRACTS, Contracts, switched_on
from ocr_runtime.serving.endpoints import ENDPOINTS
from ocr_runtime.serving.job_database import Database
from ocr_runtime.serving.job_store import JobStore
from ocr_runtime.settings import Contract, Settings

ADDRESSES = [(contract, address) for contract in CONTRACTS for address in contract.addresses]


def test_each_contract_can_be_switched_on_by_its_name():
    assert {"all", *(contract.name for contract in CONTRACTS)} == set(get_args(Contract))
    for contract in CONTRACTS:
        settings = Settings.from_environ({"OCR_COMPATIBLE": contract.name})
        assert switched_on(settings) == [contract]
    assert switched_on(Settings.from_environ({"OCR_COMPATIBLE": "all"})) == list(CONTRACTS)
    assert switched_on(Settings.from_environ({})) == []


def test_no_two_addresses_and_no_two_outputs_have_the_same_name():
    found = [(address.method, address.path) for _, address in ADDRESSES]
    assert len(set(found)) == len(found)
    read = {id(output): output for _, address in ADDRESSES if (output := address.output)}
    outputs = read | {id(output): output for output in Contracts(CONTRACTS).outputs}
    names = [each.name for each in (*ENDPOINTS, *outputs.values())]
    assert len(set(names)) == len(names)


def test_jobs_write_the_outputs_of_the_contracts_that_make_jobs():
    found = {contract.name: [each.name for each in contract.outputs] for contract in CONTRACTS}
    assert found == {
        "azure": ["azure", "azure-pdf"],
        "docling": ["docling-file", "docling-source"],
        "mistral": [],
        "open-webui": [],
        "paddlex": [],
        "umi-ocr": [],
    }


@pytest.mark.slow
def test_contracts_that_are_not_named_are_not_answered(server):
    for contract, address in ADDRESSES:
        if address.claims is None:
            url = server.url + address.path.replace("{id}", "1")
            answer = requests.request(address.method, url, timeout=30)
            assert (contract.name, answer.json()["code"]) == (contract.name, "not_found")


@pytest.mark.slow
def test_requests_are_counted_under_the_paths_of_the_contracts(compatible):
    def counted() -> float:
        name = 'rapidocr_answers_total{endpoint="/process",outcome="unsupported_document"}'
        lines = compatible.get("/metrics").text.splitlines()
        return float(next(line for line in lines if line.startswith(name)).split()[-1])

    before = counted()
    requests.put(f"{compatible.url}/process", data=b"PK\3\4", timeout=30)
    while counted() == before:
        pass
    assert counted() == before + 1


@pytest.mark.slow
def test_a_method_that_a_contract_does_not_have_is_refused_in_its_words(compatible):
    said = MethodNotAllowed.sentence
    azure = "/documentintelligence/documentModels/prebuilt-read/analyzeResults/1"
    in_azure = {"error": {"code": "MethodNotAllowed", "message": said}}
    in_mistral = {"object": "error", "message": said, "type": "method_not_allowed"}
    in_mistral |= {"param": None, "code": None}
    in_paddlex = {"logId": "an-id", "errorCode": 405, "errorMsg": said}
    for method, path, status, content, allowed in (
        ("PUT", azure, 405, in_azure, "DELETE, GET, HEAD"),
        ("POST", "/v1/status/poll/1", 405, {"detail": said}, "GET, HEAD"),
        ("DELETE", "/v1/ocr", 405, in_mistral, "POST"),
        ("GET", "/process", 405, {"detail": said}, "PUT"),
        ("GET", "/layout-parsing", 405, in_paddlex, "POST"),
        ("GET", "/api/ocr", 200, {"code": 405, "data": said}, "POST"),
    ):
        url, headers = compatible.url + path, {"X-Request-ID": "an-id"}
        answer = requests.request(method, url, headers=headers, timeout=30)
        assert (answer.status_code, answer.json()) == (status, content)
        assert answer.headers["Allow"] == allowed


@pytest.mark.slow
def test_a_slash_at_the_end_of_an_address_changes_nothing(compatible):
    for _, address in ADDRESSES:
        if "{" not in address.path:
            with_slash, without = (
                requests.request(
                    address.method,
                    f"{compatible.url}{address.path}{slash}",
                    headers={"X-Request-ID": "an-id"},
                    timeout=30,
                )
                for slash in ("/", "")
            )
            assert with_slash.status_code == without.status_code != 404
            assert with_slash.json() == without.json()


@pytest.mark.slow
def test_the_traffic_of_addresses_that_read_is_measured_and_no_other(compatible):
    for contract, address in ADDRESSES:
        url = compatible.url + address.path.replace("{id}", contract.name)
        requests.request(address.method, url, timeout=30)
    metrics = compatible.get("/metrics").text
    names = re.findall(r'bentoml_service_request_total\{endpoint="([^"]*)"', metrics)
    ours = {endpoint.route for endpoint in ENDPOINTS}
    assert set(names) - ours == {
        "/api/ocr",
        "/layout-parsing",
        "/process",
        "/v1/convert/file",
        "/v1/convert/source",
        "/v1/ocr",
    }


@pytest.mark.slow
def test_where_no_password_can_be_sent_none_is_asked_for(compatible):
    pdf = encrypted(drawn(text_page), user="secret")
    data = base64.b64encode(pdf).decode()
    url = {"document_url": f"data:application/pdf;base64,{data}"}
    source = {"kind": "file", "base64_string": data}
    for method, path, sent, field in (
        ("PUT", "/process", {"data": pdf}, "detail"),
        ("POST", "/v1/ocr", {"json": {"document": url}}, "message"),
        ("POST", "/v1/convert/source", {"json": {"sources": [source]}}, "detail"),
    ):
        answer = requests.request(method, compatible.url + path, timeout=60, **sent)
        assert (answer.status_code, answer.json()[field]) == (
            400,
            "The PDF is encrypted, and there is no field for its password here: send it decrypted.",
        )
    asked = requests.post(f"{compatible.url}/layout-parsing", json={"file": data}, timeout=60)
    assert asked.json()["errorMsg"] == "The PDF is encrypted: send its password."


def test_the_documentation_names_each_contract_and_address():
    page = (ROOT / "docs/compatible.md").read_text()
    names = sorted(contract.name for contract in CONTRACTS)
    assert [row[0].strip("`") for row in table(page, f"`{names[0]}`")] == names
    for _, address in ADDRESSES:
        assert f"`{address.method} {address.path}`" in page


@pytest.mark.slow
def test_a_job_is_read_by_a_worker_that_does_not_answer_its_contract(tmp_path):
    settings = Settings(jobs_dir=tmp_path / "jobs")
    database = Database(settings)
    job = JobStore(database, settings).create(
        owner="",
        caller="",
        output="docling-file",
        options={"formats": ["text"]},
        numbers=[1],
        data=page_bytes("line.png"),
    )
    database.close()
    with serving(tmp_path, OCR_JOBS_DIR=str(settings.jobs_dir)) as server:
        while (state := server.get(f"/jobs/{job}").json()["state"]) in ("queued", "running"):
            time.sleep(0.1)
        assert state == "done"
        found = server.get(f"/jobs/{job}/result").json()["document"]["text_content"]
        assert found.splitlines() == TRUTH["line.png"]
