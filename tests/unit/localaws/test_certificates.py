"""The certificate authority of a run, and the certificates that it issues."""

import socket
import ssl
import threading

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, pkcs12

from harness.localaws.http.certificates import TRUST_STORE_PASSWORD, CertificateAuthority


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
