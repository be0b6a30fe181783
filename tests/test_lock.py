"""The locks pin everything by hash and name no host."""

import re

import pytest
from serving import ROOT

EXTRAS = ["requirements-openvino.lock", "requirements-postgresql.lock"]
ALONE = ["requirements-bulk.lock", "requirements-ocrmypdf.lock"]


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-test.lock", *EXTRAS, *ALONE])
def test_every_package_is_pinned_by_hash_and_no_host_is_named(name):
    lock = (ROOT / name).read_text()
    assert not re.search(r"https?://|--(extra-)?index-url|--find-links|@ ", lock)
    packages = re.split(r"\n(?=[a-z])", lock.strip())
    assert len(packages) > 50
    for package in packages:
        assert re.match(r"[\w.-]+==[\w.]+", package), package
        assert "--hash=sha256:" in package, package


def pins(name: str) -> set[str]:
    return set(re.findall(r"^[\w.-]+==\S+", (ROOT / name).read_text(), re.MULTILINE))


@pytest.mark.parametrize("name", EXTRAS)
def test_what_is_tested_is_what_is_served(name):
    assert pins("requirements.lock") < pins(name) <= pins("requirements-test.lock")


@pytest.mark.parametrize("name", ALONE)
def test_what_has_an_environment_of_its_own_is_added_to_what_is_served(name):
    """Its tests have the packages of the other tests too, but where the two disagree."""
    assert pins("requirements.lock") < pins(name)
