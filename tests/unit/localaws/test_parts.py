"""Small parts of the local AWS: validation, faults, images, containers, certificates, the log of calls, services."""

import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, pkcs12

from harness.localaws.api_models import _as_python, check, service_model
from harness.localaws.control.call_log import CallLog, CallRecord
from harness.localaws.control.faults import Fault, Faults
from harness.localaws.exceptions import SerializationException, ValidationException
from harness.localaws.http.certificates import TRUST_STORE_PASSWORD, CertificateAuthority
from harness.localaws.s3.operations import s3_operation
from harness.localaws.sagemaker.container_process import LINE_BYTES, ContainerProcess, split_lines
from harness.localaws.sagemaker.control_plane import ControlPlane
from harness.localaws.sagemaker.images import XGBOOST, Images

# --- validation ---------------------------------------------------------------------------------------------------

VARIANT = {"VariantName": "v", "ModelName": "m", "InitialInstanceCount": 1, "InstanceType": "ml.m4.xlarge"}
CONFIG = {"EndpointConfigName": "config", "ProductionVariants": [VARIANT]}


def broken(operation, request):
    with pytest.raises(ValidationException) as error:
        check("sagemaker", operation, request)
    assert error.value.code == "ValidationException"
    return error.value.message


def test_a_request_that_keeps_the_rules_passes():
    check("sagemaker", "CreateEndpointConfig", CONFIG)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"EndpointConfigName": None}, "Value null at 'endpointConfigName' failed to satisfy constraint: Member must "
         "not be null"),
        ({"EndpointConfigName": "a_b"}, "Value 'a_b' at 'endpointConfigName' failed to satisfy constraint: Member must "
         "satisfy regular expression pattern: "),
        ({"ProductionVariants": []}, "Value '[]' at 'productionVariants' failed to satisfy constraint: Member must "
         "have length greater than or equal to 1"),
        ({"ProductionVariants": [VARIANT | {"InstanceType": "huge"}]}, "Value 'huge' at 'productionVariants.1.member."
         "instanceType' failed to satisfy constraint: Member must satisfy enum value set: ["),
        ({"ProductionVariants": [VARIANT | {"InitialInstanceCount": 0}]}, "Value '0' at 'productionVariants.1.member."
         "initialInstanceCount' failed to satisfy constraint: Member must have value greater than or equal to 1"),
        ({"Tags": [{"Key": "", "Value": ""}]}, "Value '' at 'tags.1.member.key' failed to satisfy constraint: Member "
         "must have length greater than or equal to 1"),
    ],
)  # fmt: skip
def test_a_broken_rule_is_reported_with_the_message_of_aws(changes, told):
    message = broken("CreateEndpointConfig", CONFIG | changes)
    assert message.startswith(f"1 validation error detected: {told}")


def test_all_broken_rules_are_reported_together():
    message = broken("CreateEndpointConfig", {"ProductionVariants": [{"InitialVariantWeight": -1}]})
    assert message.startswith("3 validation errors detected: ")
    assert message.count("failed to satisfy constraint: Member must") == 3


@pytest.mark.parametrize("name", [1, True, ["a"], {}])
def test_a_value_of_the_wrong_type_is_a_serialization_error(name):
    with pytest.raises(SerializationException, match="'endpointConfigName' has the wrong type: expected string"):
        check("sagemaker", "CreateEndpointConfig", CONFIG | {"EndpointConfigName": name})


def test_true_is_not_a_number():
    with pytest.raises(SerializationException, match="expected integer"):
        check("sagemaker", "ListEndpoints", {"MaxResults": True})


def test_every_pattern_of_the_operations_done_here_is_one_that_python_reads():
    operations = ControlPlane(None, None, None, None, None).operations
    found, waiting, seen = 0, [service_model("sagemaker").operation_model(name).input_shape for name in operations], []
    while waiting:
        shape = waiting.pop()
        if shape.name in seen:
            continue
        seen.append(shape.name)
        if "pattern" in shape.metadata:
            re.compile(_as_python(shape.metadata["pattern"]))
            found += 1
        waiting += list(getattr(shape, "members", {}).values())
        waiting += [getattr(shape, part) for part in ("member", "key", "value") if hasattr(shape, part)]
    assert found > 40


# --- faults -------------------------------------------------------------------------------------------------------


def test_a_fault_happens_as_often_as_asked_and_to_its_operation_only():
    faults = Faults()
    faults.add(Fault("PutObject", times=2))
    assert faults.take("GetObject") is None
    assert [faults.take("PutObject") is not None for _ in range(3)] == [True, True, False]
    assert faults.as_json() == []


def test_faults_happen_in_the_order_they_were_added_and_a_star_is_any_operation():
    faults = Faults()
    faults.add(Fault("*", code="First"))
    faults.add(Fault("GetRole", code="Second"))
    assert [faults.take("GetRole").code, faults.take("GetRole").code] == ["First", "Second"]


def test_calls_that_a_fault_skips_pass_and_are_open_to_the_next_fault():
    faults = Faults()
    faults.add(Fault("*", code="Later", skip=2))
    faults.add(Fault("GetRole", code="Now"))
    found = [faults.take(operation) for operation in ("PutObject", "GetRole", "PutObject", "PutObject")]
    assert [fault and fault.code for fault in found] == [None, "Now", "Later", None]


def test_a_fault_happens_to_its_share_of_calls_and_to_the_same_ones_with_the_same_seed():
    def suffering(seed):
        faults = Faults()
        faults.add(Fault("*", times=1000, share=0.5, seed=seed))
        return [faults.take("GetRole") is not None for _ in range(400)]

    assert 160 < sum(suffering(1)) < 240
    assert suffering(1) == suffering(1) != suffering(2)


def test_faults_that_are_cleared_do_not_happen():
    faults = Faults()
    faults.add(Fault("GetRole"))
    faults.clear()
    assert faults.take("GetRole") is None


@pytest.mark.parametrize(
    ("members", "told"),
    [({"operation": "GetRole", "effect": "fire"}, "choose one of error, disk_full, kill_container"),
     ({"operation": "GetRole", "times": 0}, "times must be at least 1"),
     ({"operation": "GetRole", "delay": -1}, "delay and skip at least 0"),
     ({"operation": "GetRole", "skip": -1}, "delay and skip at least 0"),
     ({"operation": "GetRole", "share": 0}, "share above 0"),
     ({"operation": "GetRole", "effect": "signal"}, "needs a pid"),
     ({"operation": "GetRole", "effect": "signal", "pid": 1, "signal": "SIGFIRE"}, "not 1 and 'SIGFIRE'"),
     ({"operation": "CreateModel", "effect": "stuck"}, "stuck happens to CreateEndpoint only, not to CreateModel"),
     ({"operation": "GetRole", "colour": 1}, "has no colour"), ({}, "needs an operation"),
     ({"operation": "PutObject", "effect": "kill_container"}, "happens to InvokeEndpoint only"),
     ({"operation": "*", "effect": "kill_container"}, "happens to InvokeEndpoint only")],
)  # fmt: skip
def test_a_fault_that_cannot_happen_is_refused(members, told):
    with pytest.raises(ValueError, match=told):
        Fault.from_json(members)


# --- images -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "uri",
    ["811284229777.dkr.ecr.us-east-1.amazonaws.com/xgboost:1",
     "390948362332.dkr.ecr.cn-north-1.amazonaws.com.cn/xgboost:latest",
     "226302683700.dkr.ecr-fips.us-gov-west-1.amazonaws.com/xgboost:1"],
)  # fmt: skip
def test_the_built_in_xgboost_is_known_in_every_region(uri):
    assert Images().find(uri) is XGBOOST


@pytest.mark.parametrize(
    "uri",
    ["xgboost:1", "811284229777.dkr.ecr.us-east-1.amazonaws.com/kmeans:1", "",
     "811284229777.dkr.ecr.us-east-1.amazonaws.com/xgboost:2", "811284229777.dkr.ecr.us-west-2.amazonaws.com/xgboost:1",
     "123456789012.dkr.ecr.us-east-1.amazonaws.com/xgboost:1",
     "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1"],
)  # fmt: skip
def test_the_error_about_an_unknown_image_lists_the_known_ones(uri):
    images = Images()
    images.register("mine:1", ["run"])
    with pytest.raises(ValidationException, match=r"has the built-in XGBoost .*, mine:1\..*register_container"):
        images.find(uri)


def test_a_registered_command_replaces_its_image_even_a_built_in_one():
    images = Images()
    uri = "811284229777.dkr.ecr.us-east-1.amazonaws.com/xgboost:1"
    images.register(uri, ["python", "mine.py"])
    assert images.find(uri).command == ("python", "mine.py")


@pytest.mark.parametrize("command", ["python mine.py", [], ["python", 3], None])
def test_a_command_that_is_not_a_list_of_words_is_refused(command):
    with pytest.raises(ValueError, match="give a list of words"):
        Images().register("mine:1", command)


# --- metrics ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "name", "value"),
    [("[3]#011train-merror:0.25#011validation-merror:0.5", "validation:merror", "0.5"),
     ("[3]#011train-rmse:1e-05", "train:rmse", "1e-05"), ("[12]#011train-ndcg@5:0.75", "train:ndcg", "0.75")],
)  # fmt: skip
def test_the_metrics_of_the_built_in_xgboost_are_found_in_its_log(line, name, value):
    regex = dict(XGBOOST.metrics)[name]
    assert re.search(regex, line).group(1) == value


# --- processes ----------------------------------------------------------------------------------------------------


def test_a_container_is_killed_once_since_its_id_may_be_anothers_after(monkeypatch, tmp_path):
    signalled = []
    monkeypatch.setattr(os, "killpg", lambda group, number: signalled.append((group, number)))
    process = ContainerProcess([sys.executable, "-c", ""], tmp_path, {}, print)
    assert process.wait(20) == 0
    process.terminate()
    process.kill()
    process.kill()
    assert signalled == [(process.pid, signal.SIGKILL)]


# --- output -------------------------------------------------------------------------------------------------------


def lines_of(*pieces):
    return list(split_lines(pieces))


def test_lines_end_at_newlines_and_carriage_returns():
    assert lines_of(b"a\nb\r\nc\r\r\nd\re") == [b"a", b"b", b"c", b"d", b"e"]
    assert lines_of(b"\n\r\n\r  1%\r  2%\r") == [b"", b"", b"  1%", b"  2%"]


def test_lines_do_not_depend_on_the_pieces_of_output():
    text = b"a\r\nb\rc\n\nd\r\r\n\ne"
    whole = lines_of(text)
    assert whole == [b"a", b"b", b"c", b"", b"d", b"", b"e"]
    for at in range(len(text)):
        assert lines_of(text[:at], text[at:]) == whole, text[:at]


def test_a_line_without_an_end_is_split_at_its_limit():
    pieces = [b"x" * 65_536] * 10
    lines = lines_of(*pieces, b"y\nz")
    assert max(map(len, lines)) == LINE_BYTES
    assert b"".join(lines) == b"".join(pieces) + b"yz"
    assert lines[-1] == b"z"


def test_a_flood_of_carriage_returns_is_no_line():
    assert lines_of(*[b"\r" * 65_536] * 8, b"done") == [b"done"]


def test_output_is_read_on_when_a_line_cannot_be_taken(tmp_path):
    taken = []

    def take(line):
        taken.append(line)
        raise KeyError("the log stream was deleted")

    process = ContainerProcess([sys.executable, "-c", "for n in range(50_000): print(n)"], tmp_path, {}, take)
    assert process.wait(60) == 0
    assert len(taken) == 50_000


# --- certificates -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return CertificateAuthority(tmp_path_factory.mktemp("authority"))


def shake_hands(server, client, name):
    """Return the certificate that a client of the host ``name`` gets."""
    here, there = socket.socketpair()

    def serve():
        try:
            server.wrap_socket(there, server_side=True).close()
        except OSError:
            there.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with here, client.wrap_socket(here, server_hostname=name) as secure:
            return secure.getpeercert()
    finally:
        thread.join()


def test_clients_that_trust_the_pem_trust_a_host_by_its_name_only(authority):
    client = ssl.create_default_context(cafile=authority.pem)
    server = authority.context("my.bucket.s3.amazonaws.com")
    seen = shake_hands(server, client, "my.bucket.s3.amazonaws.com")
    assert seen["subjectAltName"] == (("DNS", "my.bucket.s3.amazonaws.com"),)
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(server, client, "sts.amazonaws.com")


def test_clients_that_do_not_know_the_authority_refuse(authority, tmp_path):
    stranger = ssl.create_default_context(cafile=CertificateAuthority(tmp_path).pem)
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(authority.context("sts.amazonaws.com"), stranger, "sts.amazonaws.com")


def test_a_host_has_one_context(authority):
    assert authority.context("sts.amazonaws.com") is authority.context("sts.amazonaws.com")


def test_the_certificates_of_the_latest_hosts_are_kept_and_no_more(tmp_path):
    authority = CertificateAuthority(tmp_path)
    first, second = authority.context("0.s3.amazonaws.com"), authority.context("1.s3.amazonaws.com")
    for number in range(2, 258):
        authority.context(f"{number}.s3.amazonaws.com")
        assert authority.context("0.s3.amazonaws.com") is first, "it is in use"
    assert len(authority._contexts) == 256
    assert authority.context("1.s3.amazonaws.com") is not second


def test_the_trust_store_holds_the_authority_and_no_key(authority):
    store = pkcs12.load_pkcs12(authority.trust_store.read_bytes(), TRUST_STORE_PASSWORD.encode())
    assert store.key is None
    (entry,) = store.additional_certs
    assert entry.certificate.public_bytes(Encoding.PEM) == authority.pem.read_bytes()


# --- what was called ----------------------------------------------------------------------------------------------


def called(operation, number=0):
    return CallRecord(number, "s3", operation, "s3.amazonaws.com", "/", 200, 0.1, 0, "agent")


def test_calls_are_counted_by_operation():
    log = CallLog()
    for operation in ("GetObject", "PutObject", "GetObject"):
        log.add(called(operation))
    assert log.as_json()["counts"] == {"GetObject": 2, "PutObject": 1}
    assert [call["operation"] for call in log.as_json()["calls"]] == ["GetObject", "PutObject", "GetObject"]


def test_the_log_keeps_the_latest_calls_and_counts_all():
    log = CallLog()
    for number in range(10_005):
        log.add(called("GetObject", number))
    assert len(log.as_json()["calls"]) == 10_000
    assert log.as_json()["calls"][0]["time"] == 5
    assert log.as_json()["counts"] == {"GetObject": 10_005}


def test_the_log_keeps_no_more_names_and_texts_than_its_bounds():
    log = CallLog()
    for number in range(1_100):
        log.add(called(f"{number}" + "x" * 10_000))
        log.refuse(f"{number}.example.com")
    told = log.as_json()
    assert (len(told["counts"]), len(told["refused"]), told["refused"][-1]) == (1_000, 1_000, "1099.example.com")
    assert max(map(len, told["counts"])) == len(told["calls"][-1]["operation"]) == 4_096


def test_clearing_forgets_calls_and_not_refusals():
    log = CallLog()
    log.add(called("GetObject"))
    log.refuse("example.com")
    log.clear()
    assert log.as_json() == {"calls": [], "counts": {}, "refused": ["example.com"]}


@pytest.mark.parametrize(
    ("method", "key", "query", "name"),
    [("GET", "k", "", "GetObject"), ("PUT", "k", "", "PutObject"), ("HEAD", "k", "", "HeadObject"),
     ("DELETE", "k", "", "DeleteObject"), ("POST", "", "delete", "DeleteObjects"), ("GET", "", "", "ListObjects"),
     ("GET", "", "list-type", "ListObjectsV2"), ("PUT", "", "", "CreateBucket"), ("HEAD", "", "", "HeadBucket"),
     ("DELETE", "", "", "DeleteBucket"), ("GET", "", "location", "GetBucketLocation"),
     ("GET", "k", "tagging", "GetObjectTagging"), ("POST", "k", "uploads", "CreateMultipartUpload"),
     ("GET", "", "uploads", "ListMultipartUploads"), ("PUT", "k", "uploadId", "UploadPart"),
     ("POST", "k", "uploadId", "CompleteMultipartUpload"), ("DELETE", "k", "uploadId", "AbortMultipartUpload"),
     ("GET", "k", "uploadId", "ListParts")],
)  # fmt: skip
def test_operations_of_s3_have_the_names_that_aws_gives_them(method, key, query, name):
    assert s3_operation(method, key, [query] if query else []) == name


def test_copies_are_distinguished_from_uploads():
    assert s3_operation("PUT", "k", ["x-id"], copies=True) == "CopyObject"
    assert s3_operation("PUT", "k", ["uploadId"], copies=True) == "UploadPartCopy"


SERVICES = """
import json, sys
from datetime import timedelta
from pathlib import Path
from harness.localaws import moto_backend
from moto.iam.models import iam_backends
from moto.sts.models import sts_backends

made = moto_backend.Services(Path(sys.argv[1]))
arn, account = moto_backend.role_arn("us-east-1"), moto_backend.ACCOUNT
sessions, keys = sts_backends[account]["aws"].assumed_roles, iam_backends[account]["aws"].access_keys
given = [made.assume_role("us-east-1", arn, name) for name in ("SageMaker", "SageMaker", "other")]
before = len(sessions), len(keys)
for session in sessions:
    session.expiration -= timedelta(hours=7)
renewed = made.assume_role("us-east-1", arn, "SageMaker")
for session in sessions:
    session.expiration -= timedelta(hours=5)
made.assume_role("us-east-1", arn, "third")
moto_backend.LOG_LINES = 20
write = made.log_writer("us-east-1", "group", "stream")
for number in range(50):
    write(f"line {number}")
lines = moto_backend.logs_backends[account]["us-east-1"].groups["group"].streams["stream"].events
print(json.dumps({
    "same": [given[0] == given[1], given[0] == given[2], given[0] == renewed],
    "before": before, "after": (len(sessions), len(keys)), "lines": [lines[0].message, lines[-1].message],
}))
"""


@pytest.fixture(scope="module")
def services(tmp_path_factory):
    """Sessions and log lines, in a separate process because moto is changed there."""
    command = [sys.executable, "-c", SERVICES, tmp_path_factory.mktemp("objects")]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def test_containers_of_a_role_share_a_session_until_half_of_its_time_has_passed(services):
    assert services["same"] == [True, False, False]
    assert services["before"] == [2, 2]


def test_expired_sessions_are_forgotten_with_their_keys(services):
    assert services["after"] == [2, 2], "the renewed one and the third"


def test_a_log_stream_keeps_its_latest_lines(services):
    assert services["lines"] == ["line 30", "line 49"]


def test_importing_the_local_aws_starts_no_process_and_needs_no_java():
    code = "import harness.localaws.server, sys; print('pyspark' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PATH": ""})
    assert shown.stdout.strip() == "False"


def test_a_fault_of_an_operation_that_aws_does_not_have_is_refused():
    with pytest.raises(ValueError, match="there is no operation 'InvokEndpoint'"):
        Fault("InvokEndpoint")
    assert Fault("*", effect="").operation == "*"
