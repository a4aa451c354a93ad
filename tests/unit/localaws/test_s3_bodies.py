"""Checksums of S3 objects and posted forms, as values."""

import asyncio
import io
import itertools
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.localaws.exceptions import AWSError
from harness.localaws.s3.bodies.body import Body
from harness.localaws.s3.bodies.checksums import ALGORITHMS, COMPOSITE, FULL_OBJECT, BodyChecks, of_body, of_parts
from harness.localaws.s3.bodies.forms import FormReader
from harness.localaws.s3.bodies.multipart import Plan, planned
from harness.localaws.s3.rules.xml_answers import NAMESPACE

FORM = b'--x\r\nContent-Disposition: form-data; name="Key"\r\n\r\na/${filename}\r\n%s--x--\r\n'
FILE = b'--x\r\nContent-Disposition: form-data; name="file"; filename="d/f.txt"\r\n\r\n%s\r\n'
AFTER = b'--x\r\nContent-Disposition: form-data; name="late"\r\n\r\nignored\r\n'


@pytest.mark.parametrize(
    ("algorithm", "expected"), [("CRC32", "y/Q5Jg=="), ("CRC32C", "4waSgw=="), ("CRC64NVME", "rosUhgp5mIg=")]
)
def test_a_checksum_is_the_published_check_value_of_nine_digits(algorithm, expected):
    assert of_body(Body.of(b"123456789"), algorithm).value == expected


@given(st.lists(st.binary(max_size=50), min_size=1, max_size=5), st.sampled_from(["CRC32", "CRC32C", "CRC64NVME"]))
def test_a_full_checksum_of_parts_is_that_of_their_bytes(parts, algorithm):
    summed = [(of_body(Body.of(part), algorithm), len(part)) for part in parts]
    assert of_parts(summed, FULL_OBJECT) == of_body(Body.of(b"".join(parts)), algorithm)


def test_a_composite_checksum_ends_with_the_number_of_parts():
    parts = [(of_body(Body.of(part), "SHA256"), 1) for part in (b"1", b"2", b"3")]
    assert of_parts(parts, COMPOSITE).value.endswith("=-3")


def test_headers_that_contradict_each_other_are_refused():
    for headers in (
        {"x-amz-checksum-crc32": "AAAAAA==", "x-amz-checksum-crc32c": "AAAAAA=="},
        {"x-amz-checksum-crc32": "AAAAAA==", "x-amz-trailer": "x-amz-checksum-crc32"},
        {"x-amz-sdk-checksum-algorithm": "CRC32"},
        {"x-amz-sdk-checksum-algorithm": "CRC31", "x-amz-checksum-crc32": "AAAAAA=="},
    ):
        with pytest.raises(AWSError) as refused:
            BodyChecks(headers)
        assert refused.value.code == "InvalidRequest"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_an_upload_gets_the_type_of_checksum_that_its_algorithm_has_by_default(algorithm):
    kind = FULL_OBJECT if algorithm == "CRC64NVME" else COMPOSITE
    assert planned({"x-amz-checksum-algorithm": algorithm}) == Plan(algorithm, kind, chosen=True)


async def stream(blocks):
    for block in blocks:
        yield block


@settings(max_examples=30)
@given(st.binary(max_size=80), st.lists(st.integers(0, 10_000), max_size=6))
def test_a_form_gives_the_same_however_its_bytes_are_split(data, places):
    text = FORM % (FILE % data + AFTER)
    cuts = [0, *sorted(place % len(text) for place in places), len(text)]
    blocks, file = [text[start:end] for start, end in itertools.pairwise(cuts)], io.BytesIO()
    form = asyncio.run(FormReader("multipart/form-data; boundary=x", file).read(stream(blocks)))
    assert (form.fields, form.size, file.getvalue()) == ({"key": "a/f.txt"}, len(data), data)


@pytest.mark.parametrize("text", [FORM % b"", FORM[:40], b"", b"--x--\r\n"])
def test_a_form_without_a_file_or_an_end_is_refused(text):
    with pytest.raises(AWSError) as refused:
        asyncio.run(FormReader("multipart/form-data; boundary=x", io.BytesIO()).read(stream([text])))
    assert refused.value.code in ("InvalidArgument", "MalformedPOSTRequest")


def test_answers_have_no_prefixes_which_clients_in_cpp_do_not_know():
    root = ElementTree.fromstring(f'<R xmlns="{NAMESPACE}"><Key>k</Key></R>')
    assert ElementTree.tostring(root) == f'<R xmlns="{NAMESPACE}"><Key>k</Key></R>'.encode()
