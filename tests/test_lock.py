"""The locks pin everything by hash and name no host."""

import re

import pytest
from serving import ROOT


@pytest.mark.parametrize(
    "name", ["requirements.lock", "requirements-postgresql.lock", "requirements-test.lock"]
)
def test_every_package_is_pinned_by_hash_and_no_host_is_named(name):
    lock = (ROOT / name).read_text()
    assert not re.search(r"https?://|--(extra-)?index-url|--find-links|@ ", lock)
    packages = re.split(r"\n(?=[a-z])", lock.strip())
    assert len(packages) > 50
    for package in packages:
        assert re.match(r"[\w.-]+==[\w.]+", package), package
        assert "--hash=sha256:" in package, package


def test_what_is_tested_is_what_is_served():
    served, with_postgresql, tested = (
        set(re.findall(r"^[\w.-]+==\S+", (ROOT / name).read_text(), re.MULTILINE))
        for name in ("requirements.lock", "requirements-postgresql.lock", "requirements-test.lock")
    )
    assert served < with_postgresql <= tested


def test_what_bentoml_build_calls_is_served_too():
    """BentoML installs uv, unpinned, into an environment that lacks it."""
    assert re.search(r"^uv==", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
