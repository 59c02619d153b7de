"""The files that start the server: they fit their schemas, restrict it, and agree."""

import re
from pathlib import Path

import compose_spec
import kubernetes_validate
import pytest
import yaml

import albert_tf.export

FILES = Path(albert_tf.export.__file__).with_name("serving")


def compose_text(**variables):
    """The compose file with variables replaced by their values or defaults, innermost first."""
    text = (FILES / "docker-compose.yaml").read_text()
    while match := re.search(r"\$\{(\w+)(?::-([^{}]*))?\}", text):
        text = text.replace(match[0], variables.get(match[1], match[2] or f"/{match[1].lower()}"))
    return text


@pytest.fixture(scope="module")
def services():
    return yaml.safe_load(compose_text())["services"]


@pytest.fixture(scope="module")
def kinds():
    text = (FILES / "kubernetes.yaml").read_text()
    return {resource["kind"]: resource for resource in yaml.safe_load_all(text)}


@pytest.fixture(scope="module")
def pod(kinds):
    return kinds["Deployment"]["spec"]["template"]["spec"]


@pytest.fixture(scope="module")
def containers(pod):
    return {container["name"]: container for container in pod["containers"]}


# === Schemas ===
def check_compose(text):
    compose_spec.PyOptions(apply_merge=True).from_yaml(text).validate()


def test_the_compose_file_fits_the_specification():
    check_compose(compose_text())
    check_compose(compose_text(CPUS="1.5", MEMORY="8g", ADDRESS="0.0.0.0", MODELS="/srv/models"))


@pytest.mark.parametrize(
    ("old", "new"),
    [("cap_drop:", "cap_drops:"), ("read_only: true", "read_only: 7"), ("8500:8090", "8500:80x")],
)
def test_the_specification_rejects_mistakes_in_the_compose_file(old, new):
    assert old in compose_text()
    with pytest.raises(ValueError):
        check_compose(compose_text().replace(old, new))


def test_every_kubernetes_resource_fits_its_schema(kinds):
    assert set(kinds) == {"Deployment", "Service", "NetworkPolicy"}
    for resource in kinds.values():
        kubernetes_validate.validate(resource, kubernetes_validate.latest_version(), strict=True)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("runAsNonRoot: true", "runAsNonroot: true"),
        ("policyTypes:", "policies:"),
        ("targetPort: rest", "targetport: rest"),
    ],
)
def test_the_schemas_reject_mistakes_in_the_kubernetes_file(old, new):
    text = (FILES / "kubernetes.yaml").read_text()
    assert old in text
    with pytest.raises(kubernetes_validate.ValidationError):
        for resource in yaml.safe_load_all(text.replace(old, new)):
            kubernetes_validate.validate(
                resource, kubernetes_validate.latest_version(), strict=True
            )


# === Restrictions ===
def test_compose_services_have_no_privileges_and_limited_resources(services):
    assert set(services) == {"serving", "nginx"}
    for service in services.values():
        assert service["read_only"] is True and service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        uid, gid = map(int, service["user"].split(":"))
        assert uid > 0 and gid > 0
        assert service["restart"] == "unless-stopped" and service["tmpfs"][0].startswith("/tmp:")
        assert {"cpus", "mem_limit", "pids_limit"} <= set(service)
        assert all(volume.endswith(":ro") for volume in service["volumes"])


def test_compose_publishes_nginx_only_and_on_this_machine_only(services):
    assert "ports" not in services["serving"] and services["serving"]["networks"] == ["models"]
    assert all(port.startswith("127.0.0.1:") for port in services["nginx"]["ports"])
    assert yaml.safe_load(compose_text())["networks"]["models"] == {"internal": True}


def test_kubernetes_containers_have_no_privileges_and_limited_resources(pod, containers):
    assert pod["automountServiceAccountToken"] is False
    context = pod["securityContext"]
    assert context["runAsNonRoot"] is True and context["runAsUser"] > 0 < context["runAsGroup"]
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert set(containers) == {"serving", "nginx"}
    for container in containers.values():
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        for kind in ("requests", "limits"):
            assert set(container["resources"][kind]) == {"cpu", "memory", "ephemeral-storage"}
        mounts = {mount["mountPath"]: mount for mount in container["volumeMounts"]}
        assert all(mount.get("readOnly") for path, mount in mounts.items() if path != "/tmp")
        assert {"startupProbe", "readinessProbe", "livenessProbe"} <= set(container)


def test_the_network_policy_lets_clients_reach_nginx_only(kinds, containers):
    policy, labels = kinds["NetworkPolicy"]["spec"], {"app": "albert-serving"}
    assert policy["podSelector"]["matchLabels"] == labels == kinds["Service"]["spec"]["selector"]
    assert policy["policyTypes"] == ["Ingress", "Egress"] and "egress" not in policy
    clients, prometheus = policy["ingress"]
    ports = {name: [port["name"] for port in containers[name]["ports"]] for name in containers}
    assert [port["port"] for port in clients["ports"]] == ports["nginx"]
    assert [port["port"] for port in prometheus["ports"]] == ports["serving"]
    assert all("podSelector" in peer for peer in clients["from"])
    assert all("namespaceSelector" in peer for peer in prometheus["from"])


# === Agreement ===
def test_both_deployments_start_the_server_the_same_way(services, containers):
    for name in ("serving", "nginx"):
        image = containers[name]["image"]
        assert services[name]["image"] == image
        assert re.fullmatch(r"[\w/.-]+:\d+\.\d+\.\d+(@sha256:[0-9a-f]{64})?", image)
    arguments = set(containers["serving"]["args"])
    assert arguments == set(services["serving"]["command"])
    assert services["nginx"]["command"] == containers["nginx"]["command"]
    text = compose_text() + (FILES / "kubernetes.yaml").read_text()
    names = set(re.findall(r"/config/([\w.]+)", text))
    assert names >= {"models.config", "batching.config", "nginx.conf", "status.sh"}
    assert all((FILES / name).is_file() for name in names)


def test_published_ports_lead_to_those_of_nginx(services, kinds, containers):
    ports = {port["name"]: port["containerPort"] for port in containers["nginx"]["ports"]}
    service = {port["name"]: port["port"] for port in kinds["Service"]["spec"]["ports"]}
    published = {f"127.0.0.1:{service[name]}:{port}" for name, port in ports.items()}
    assert set(services["nginx"]["ports"]) == published
    listens = re.findall(r"listen (\d+)", (FILES / "nginx.conf").read_text())
    assert set(map(int, listens)) == set(ports.values())
    assert all(p["targetPort"] == p["name"] for p in kinds["Service"]["spec"]["ports"])


def test_probes_ask_for_the_status_of_the_model(services, containers):
    status = ["bash", "/config/status.sh", "reviews"]
    assert services["serving"]["healthcheck"]["test"] == ["CMD", *status]
    assert services["nginx"]["healthcheck"]["test"] == ["CMD", *status, "8080"]
    assert services["nginx"]["depends_on"]["serving"] == {"condition": "service_healthy"}
    for probe in ("startupProbe", "readinessProbe"):
        assert containers["serving"][probe]["exec"]["command"] == status
    assert containers["nginx"]["readinessProbe"]["exec"]["command"] == [*status, "8080"]
    # The server is restarted if it gives no status at all, and nginx if its port is closed.
    assert containers["serving"]["livenessProbe"]["httpGet"]["path"] == "/v1/models/reviews"
    assert containers["nginx"]["livenessProbe"]["tcpSocket"] == {"port": "rest"}
