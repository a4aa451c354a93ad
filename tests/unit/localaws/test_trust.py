"""The authorities that clients of a run trust: the run's and the user's, but not Amazon's."""

import socket
import ssl
import threading
import urllib.request
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import requests
from botocore.httpsession import get_cert_path
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from harness.localaws.http.certificates import CertificateAuthority
from harness.localaws.http.trust import trust_variables, write_bundles


@pytest.fixture
def run(tmp_path):
    """The authority of a run."""
    return CertificateAuthority(tmp_path)


@pytest.fixture
def users(tmp_path):
    """The authority of a user's own hosts."""
    directory = tmp_path / "of user"
    directory.mkdir()
    return CertificateAuthority(directory)


@pytest.fixture
def trust(run, tmp_path):
    """Return the bundles of a run by variable, for the user's variables."""

    def write(**environment):
        write_bundles(tmp_path / "trust", run.pem, environment)
        return trust_variables(tmp_path / "trust")

    return write


def authority_of(organization):
    """Return the certificate of an authority, as PEM."""
    key, name = (
        ec.generate_private_key(ec.SECP256R1()),
        x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization)]),
    )
    now = datetime.now(timezone.utc)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def trusted(path):
    """Return the subjects in a bundle, as OpenSSL reads it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(path)
    return [certificate["subject"][-1][0][1] for certificate in context.get_ca_certs()]


def test_the_authority_of_the_users_hosts_stays_and_amazons_goes(trust, users, tmp_path):
    both = tmp_path / "both.pem"
    both.write_bytes(users.pem.read_bytes() + authority_of("Amazon") + authority_of("Amazonas"))
    bundles = trust(
        **dict.fromkeys(("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"), str(both))
    )
    for name, path in bundles.items():
        if name != "SSL_CERT_DIR":
            subjects = trusted(path)
            assert len(subjects) == 3, name
            assert "Amazonas" in subjects
            assert "Amazon" not in subjects


def test_without_variables_clients_trust_the_systems_authorities_but_not_amazons(trust):
    bundles = trust()
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        text = str(trusted(bundles[name]))
        assert "ISRG Root X1" in text
        assert "Amazon Root" not in text
    assert len(trusted(bundles["AWS_CA_BUNDLE"])) == 1, "clients of AWS need the run's authority only"


def test_clients_of_aws_trust_the_users_authorities_and_no_public_ones(trust, users, tmp_path):
    both = tmp_path / "both.pem"
    both.write_bytes(Path(get_cert_path(True)).read_bytes() + users.pem.read_bytes())
    bundles = trust(AWS_CA_BUNDLE=str(both), SSL_CERT_FILE=str(both))
    assert len(trusted(bundles["AWS_CA_BUNDLE"])) == 2
    assert len(trusted(bundles["SSL_CERT_FILE"])) > 50


def test_a_directory_of_authorities_is_read_and_clients_get_an_empty_one_instead(trust, users, tmp_path):
    directory = tmp_path / "certs"
    directory.mkdir()
    (directory / "0a1b2c3d.0").write_bytes(users.pem.read_bytes())
    (directory / "no certificate").write_text("hello")
    nothing = tmp_path / "nothing.pem"
    nothing.write_text("")
    bundles = trust(SSL_CERT_DIR=str(directory), SSL_CERT_FILE=str(nothing))
    assert len(trusted(bundles["SSL_CERT_FILE"])) == 2
    assert not list((tmp_path / "trust" / "none").iterdir())
    assert bundles["SSL_CERT_DIR"] == str(tmp_path / "trust" / "none")


def test_a_file_that_cannot_be_read_leaves_the_runs_authority(trust):
    assert len(trusted(trust(AWS_CA_BUNDLE="/no/such/file")["AWS_CA_BUNDLE"])) == 1


@pytest.fixture
def wiki(users):
    """Address of a user's own HTTPS host."""
    listener = socket.create_server(("127.0.0.1", 0))
    context = users.context("localhost")

    def serve():
        with context.wrap_socket(listener, server_side=True) as secure:
            for _ in range(2):
                connection, _ = secure.accept()
                with connection:
                    connection.recv(4096)
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nwiki")

    port = listener.getsockname()[1]
    threading.Thread(target=serve, daemon=True).start()
    return f"https://localhost:{port}/"


def test_requests_and_urllib_reach_a_host_of_the_users_authority(trust, users, wiki, monkeypatch):
    bundles = trust(REQUESTS_CA_BUNDLE=str(users.pem), SSL_CERT_FILE=str(users.pem))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", bundles["REQUESTS_CA_BUNDLE"])
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.setenv(name, bundles[name])
    monkeypatch.setenv("NO_PROXY", "localhost")
    assert requests.get(wiki, timeout=20).text == "wiki"
    assert urllib.request.build_opener(urllib.request.HTTPSHandler()).open(wiki, timeout=20).read() == b"wiki"
