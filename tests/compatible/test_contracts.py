"""What all contracts of other services have in common."""

import time
from typing import get_args

import pytest
import requests
from conftest import TRUTH, page_bytes
from documentation import table
from serving import ROOT, serving

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
    names = [each.name for each in (*ENDPOINTS, *Contracts(CONTRACTS).outputs)]
    assert len(set(names)) == len(names)


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
