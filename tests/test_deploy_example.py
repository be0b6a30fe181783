"""The overlay in deploy/example and the Ray job in deploy/ray are what their controllers take."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import kubernetes_validate
import pytest
import yaml
from serving import ROOT

from ocr_runtime.settings import Settings

EXAMPLE = ROOT / "deploy/example"
KUBERNETES = "1.34"

JOB = yaml.safe_load((ROOT / "deploy/ray/job.yaml").read_text())
CLUSTER = JOB["spec"]["rayClusterSpec"]
GROUPS = [CLUSTER["headGroupSpec"], *CLUSTER["workerGroupSpecs"]]

# https://ray-project.github.io/kuberay/reference/api/
DOCUMENTED = {
    "RayJobSpec": {
        "activeDeadlineSeconds",
        "backoffLimit",
        "clusterSelector",
        "deletionStrategy",
        "entrypoint",
        "entrypointNumCpus",
        "entrypointNumGpus",
        "entrypointResources",
        "jobId",
        "managedBy",
        "metadata",
        "rayClusterSpec",
        "runtimeEnvYAML",
        "shutdownAfterJobFinishes",
        "submissionMode",
        "submitterConfig",
        "submitterPodTemplate",
        "suspend",
        "ttlSecondsAfterFinished",
    },
    "RayClusterSpec": {
        "autoscalerOptions",
        "enableInTreeAutoscaling",
        "gcsFaultToleranceOptions",
        "headGroupSpec",
        "headServiceAnnotations",
        "managedBy",
        "rayVersion",
        "suspend",
        "workerGroupSpecs",
    },
    "HeadGroupSpec": {
        "enableIngress",
        "headService",
        "rayStartParams",
        "serviceType",
        "template",
    },
    "WorkerGroupSpec": {
        "groupName",
        "idleTimeoutSeconds",
        "maxReplicas",
        "minReplicas",
        "numOfHosts",
        "rayStartParams",
        "replicas",
        "scaleStrategy",
        "suspend",
        "template",
    },
}


@pytest.fixture(scope="module")
def built() -> list[dict[str, Any]]:
    """What `kubectl apply -k deploy/example` would send."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:  # Debian 12 has one that is too old
        pytest.skip("kubectl, from 1.21 on, is not installed")
    ended = subprocess.run(
        [kubectl, "kustomize", EXAMPLE], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return list(yaml.safe_load_all(ended.stdout))


def of_kind(built: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    (found,) = (each for each in built if each["kind"] == kind)
    return found


def test_every_file_of_the_overlay_is_named_and_exists():
    kustomization = yaml.safe_load((EXAMPLE / "kustomization.yaml").read_text())
    named = {name for name in kustomization["resources"] if name.endswith(".yaml")}
    assert {path.name for path in EXAMPLE.iterdir()} == {*named, "kustomization.yaml"}
    others = set(kustomization["resources"]) - named
    assert [(EXAMPLE / name / "kustomization.yaml").is_file() for name in others] == [True]


def test_what_it_changes_is_in_the_manifests_that_it_builds_on():
    kustomization = yaml.safe_load((EXAMPLE / "kustomization.yaml").read_text())
    base = ROOT / "deploy/kubernetes"
    manifests = [yaml.safe_load(path.read_text()) for path in base.glob("*.yaml")]
    there = {(each["kind"], each.get("metadata", {}).get("name")) for each in manifests}
    targets = [patch["target"] for patch in kustomization["patches"]]
    assert {(target["kind"], target["name"]) for target in targets} <= there
    (deployment,) = (each for each in manifests if each["kind"] == "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert "env" in container
    assert [image["name"] for image in kustomization["images"]] == [container["image"]]


def test_what_it_makes_fits_the_schemas_and_needs_no_operator(built):
    assert sorted(each["kind"] for each in built) == [
        "Deployment",
        "HorizontalPodAutoscaler",
        "Ingress",
        "Namespace",
        "NetworkPolicy",
        "PodDisruptionBudget",
        "Service",
    ]
    for each in built:
        kubernetes_validate.validate(each, KUBERNETES, strict=True)


def test_two_names_are_to_be_replaced(built):
    """Nothing but the image's registry and the host is an example's."""

    def strings(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            for each in value.values():
                yield from strings(each)
        elif isinstance(value, list):
            for each in value:
                yield from strings(each)
        elif isinstance(value, str):
            yield value

    examples = {text for text in strings(built) if "example" in text}
    assert examples == {"registry.example.org/rapidocr:latest", "ocr.example.org"}
    files = "".join(path.read_text() for path in EXAMPLE.iterdir())
    assert files.count("example.org") == 2


def test_everything_it_names_is_there(built):
    ingress = of_kind(built, "Ingress")["spec"]
    (rule,) = ingress["rules"]
    assert ingress["tls"][0]["hosts"] == [rule["host"]]
    backend = rule["http"]["paths"][0]["backend"]["service"]
    service = of_kind(built, "Service")
    assert backend["name"] == service["metadata"]["name"]
    assert backend["port"]["name"] in [port["name"] for port in service["spec"]["ports"]]
    namespace = of_kind(built, "Namespace")["metadata"]["name"]
    named = {each["metadata"].get("namespace") for each in built if each["kind"] != "Namespace"}
    assert named == {namespace}


def test_its_limits_are_those_of_the_service(built):
    notes = of_kind(built, "Ingress")["metadata"]["annotations"]
    limits = {key.rpartition("/")[2]: value for key, value in notes.items()}
    assert limits["proxy-body-size"] == f"{Settings().max_body_mb}m"
    assert int(limits["proxy-read-timeout"]) > 2 * Settings().timeout_seconds
    assert limits["proxy-send-timeout"] == limits["proxy-read-timeout"]
    container = of_kind(built, "Deployment")["spec"]["template"]["spec"]["containers"][0]
    names = [variable["name"] for variable in container["env"]]
    assert set(names) - {"FORWARDED_ALLOW_IPS"} <= set(Settings.variables())
    assert "OCR_API_KEYS" in names


def test_the_ray_job_has_only_what_kuberay_documents():
    assert (JOB["apiVersion"], JOB["kind"]) == ("ray.io/v1", "RayJob")
    assert set(JOB["spec"]) <= DOCUMENTED["RayJobSpec"]
    assert set(CLUSTER) <= DOCUMENTED["RayClusterSpec"]
    assert set(GROUPS[0]) <= DOCUMENTED["HeadGroupSpec"]
    for group in GROUPS[1:]:
        assert set(group) <= DOCUMENTED["WorkerGroupSpec"]
        assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
    for group in GROUPS:
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())


@pytest.mark.parametrize("group", GROUPS, ids=["head", "worker"])
def test_its_pods_fit_the_schemas_and_the_restricted_standard(group):
    template = {"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": "template"}}
    kubernetes_validate.validate(
        template | {"template": group["template"]}, KUBERNETES, strict=True
    )
    pod = group["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["requests"] == container["resources"]["limits"]
    wrong = {"spec": {"container": []}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(template | {"template": wrong}, KUBERNETES, strict=True)


def test_its_ray_is_the_one_of_the_lock_and_its_command_is_ours():
    lock = (ROOT / "requirements-bulk.lock").read_text()
    (version,) = re.findall(r"^ray==(\S+)", lock, re.MULTILINE)
    assert CLUSTER["rayVersion"] == version
    dockerfile = (ROOT / "deploy/ray/Dockerfile").read_text()
    assert f"FROM docker.io/rayproject/ray:{version}-" in dockerfile
    python, module, name, command, *_ = JOB["spec"]["entrypoint"].split()
    assert (python, module, name, command) == ("python", "-m", "ocr_runtime", "bulk")
    assert JOB["spec"]["backoffLimit"] == 0  # a file that cannot be read fails the job
    for copied in re.findall(r"^COPY --chown=\S+ (.*) \S+$", dockerfile, re.MULTILINE):
        assert all((ROOT / each).exists() for each in copied.split()), copied
