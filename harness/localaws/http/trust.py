"""Certificate authorities that clients of a run trust: the run's, and those that they trusted before except AWS's.

A user's own hosts are reached as before (``NO_PROXY``), so their authorities stay. Amazon's authorities do not: a
client that follows no proxy then ends at the handshake, before it has sent a request to AWS. Endpoints of AWS have
certificates of Amazon Trust Services (https://www.amazontrust.com/repository/), those in China of others.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from botocore.httpsession import get_cert_path
from cryptography import x509
from cryptography.x509.oid import NameOID

_BUNDLES: dict[str, tuple[str, ...]] = {
    "AWS_CA_BUNDLE": ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"),
    "REQUESTS_CA_BUNDLE": ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
    "CURL_CA_BUNDLE": ("CURL_CA_BUNDLE", "SSL_CERT_DIR", "SSL_CERT_FILE"),
    "SSL_CERT_FILE": ("SSL_CERT_FILE",),
}
"""Variables that name a file of authorities, each with those that its clients read, the first that is set."""
_DIRECTORY = "SSL_CERT_DIR"
"""Directory of authorities that OpenSSL reads too. It is empty: the file has what was in it."""
_OF_SYSTEM = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
"""Files of authorities of Debian, Red Hat, SUSE and macOS."""
_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_OF_AMAZON = ("Amazon", "Starfield Services Root Certificate Authority - G2")
"""Organization of Amazon's authorities, and the common name of one that has another."""


def trust_variables(directory: Path) -> dict[str, str]:
    """Return the variables that name the files in a directory, by which clients trust the run's authority."""
    files = {name: str(directory / f"{name.lower()}.pem") for name in _BUNDLES}
    return {**files, _DIRECTORY: str(directory / "none")}


def write_bundles(directory: Path, authority: Path, environment: Mapping[str, str]) -> None:
    """Write the files that :func:`trust_variables` names.

    :param authority: file with the certificate of the run's authority.
    :param environment: variables of the user, which name the authorities trusted so far.
    """
    (directory / "none").mkdir(parents=True)
    for name in _BUNDLES:
        kept = [certificate for certificate in _trusted(name, environment) if not _is_of_amazon(certificate)]
        Path(trust_variables(directory)[name]).write_bytes(b"\n".join([authority.read_bytes().strip(), *kept, b""]))


def _trusted(name: str, environment: Mapping[str, str]) -> Iterator[bytes]:
    """Yield the certificates that clients with a variable trust so far, each once."""
    given = [environment[each] for each in _BUNDLES[name] if environment.get(each)][:1]
    if name == "SSL_CERT_FILE":
        given = (given or _system()) + [environment[each] for each in (_DIRECTORY,) if environment.get(each)]
    elif name == "CURL_CA_BUNDLE":
        given = given or _system()
    elif name == "REQUESTS_CA_BUNDLE":
        given = given or [get_cert_path(True)]
    found = dict.fromkeys(certificate for path in given for certificate in _certificates(Path(path)))
    yield from (certificate for certificate in found if name != "AWS_CA_BUNDLE" or certificate not in _public())


@cache
def _public() -> set[bytes]:
    """Return the public authorities. Clients of AWS need not trust them, and each client would be slower to make."""
    return set(_certificates(Path(get_cert_path(True))))


def _system() -> list[str]:
    return [path for path in _OF_SYSTEM if Path(path).is_file()][:1] or [get_cert_path(True)]


def _certificates(path: Path) -> Iterator[bytes]:
    """Yield the certificates in a file or in the files of a directory. One that cannot be read has none."""
    for file in sorted(path.iterdir()) if path.is_dir() else [path]:
        try:
            yield from (found.replace(b"\r\n", b"\n") for found in _CERTIFICATE.findall(file.read_bytes()))
        except OSError:
            continue


@cache
def _is_of_amazon(certificate: bytes) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Debian trusts an authority whose serial number is not positive
            subject = x509.load_pem_x509_certificate(certificate).subject
        names = [each.value for oid in _NAMES for each in subject.get_attributes_for_oid(oid)]
    except ValueError:  # clients cannot read it either
        return False
    return any(name in _OF_AMAZON for name in names)


_NAMES = (NameOID.ORGANIZATION_NAME, NameOID.COMMON_NAME)
