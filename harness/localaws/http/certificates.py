"""Certificate authority of one run, which issues certificates for AWS's host names."""

from __future__ import annotations

import ssl
import threading
from collections import OrderedDict
from pathlib import Path

import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption
from cryptography.hazmat.primitives.serialization.pkcs12 import PKCS12Certificate, serialize_java_truststore

TRUST_STORE_PASSWORD = "changeit"
"""Java's usual password of trust stores. The store holds no secret."""
_KEPT = 256
"""Most certificates that are kept. Each bucket is a host, and a client may use any number of them."""


class CertificateAuthority:
    """A certificate authority for one run. Its private key never leaves the process."""

    def __init__(self, directory: Path) -> None:
        """Make the authority, and write the files by which clients trust it into ``directory``."""
        self._ca = trustme.CA(organization_name="sagemaker-spark-harness local AWS")
        self._contexts: OrderedDict[str, ssl.SSLContext] = OrderedDict()
        self._lock = threading.Lock()
        self.pem = directory / "ca.pem"
        """The authority's certificate, for Python, OpenSSL and the AWS CLI (``AWS_CA_BUNDLE``)."""
        self.trust_store = directory / "ca.p12"
        """The same as PKCS12, for the JVM (``javax.net.ssl.trustStore``)."""
        self._ca.cert_pem.write_to_path(str(self.pem))
        self.trust_store.write_bytes(self._as_trust_store())

    def _as_trust_store(self) -> bytes:
        certificate = x509.load_pem_x509_certificate(self._ca.cert_pem.bytes())
        entry = PKCS12Certificate(certificate, b"local-aws")
        return serialize_java_truststore([entry], BestAvailableEncryption(TRUST_STORE_PASSWORD.encode()))

    def context(self, host: str) -> ssl.SSLContext:
        """Return a server-side TLS context with a certificate for ``host``. The latest 256 are kept."""
        with self._lock:
            if host not in self._contexts:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.minimum_version = ssl.TLSVersion.TLSv1_2
                self._ca.issue_cert(host).configure_cert(context)
                self._contexts[host] = context
            self._contexts.move_to_end(host)
            if len(self._contexts) > _KEPT:
                self._contexts.popitem(last=False)
            return self._contexts[host]
