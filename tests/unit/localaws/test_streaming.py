"""Bodies of S3 objects: AWS's chunks and ranges."""

import asyncio
import hashlib
import io
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.localaws.exceptions import IncompleteBody
from harness.localaws.s3.streaming import LARGEST_LINES, ChunkDecoder, parse_range, receive_body, send_body

chunks = st.lists(st.binary(min_size=1, max_size=40), max_size=6)


def encode(parts, trailers=None, signature=b""):
    lines = [b"%x%s\r\n%s\r\n" % (len(part), signature, part) for part in parts]
    ends = [f"{name}:{value}\r\n".encode() for name, value in (trailers or {}).items()]
    return b"".join([*lines, b"0", signature, b"\r\n", *ends, b"\r\n"])


def decode(blocks):
    decoder = ChunkDecoder()
    data = b"".join(bytes(piece) for block in blocks for piece in decoder.feed(block))
    return data, decoder


def split(text, places):
    cuts = [0, *sorted(place % (len(text) + 1) for place in places), len(text)]
    return [text[start:end] for start, end in itertools.pairwise(cuts)]


async def stream(blocks):
    for block in blocks:
        yield block


@given(chunks, st.lists(st.integers(0, 10_000), max_size=8), st.sampled_from([b"", b";chunk-signature=0a1b"]))
def test_chunks_give_the_same_data_however_the_bytes_are_split(parts, places, signature):
    text = encode(parts, {"x-amz-checksum-crc32": "AAAA=="}, signature)
    data, decoder = decode(split(text, places))
    assert data == b"".join(parts)
    assert decoder.complete
    assert decoder.trailers == {"x-amz-checksum-crc32": "AAAA=="}


@given(chunks, st.integers(1, 10_000))
def test_interrupted_chunks_are_not_complete(parts, place):
    text = encode(parts)
    end = text.rindex(b"0\r\n") + 2  # without the last line's end, its size may have more digits to come
    assert not decode([text[: place % end]])[1].complete


def test_data_that_looks_like_a_chunk_is_data():
    tricky = b"5\r\nhello\r\n0\r\n\r\n"
    assert decode([encode([tricky, b"\r\n", b"0"])])[0] == tricky + b"\r\n0"


def test_a_body_is_written_to_its_file_with_size_and_md5():
    target = io.BytesIO()
    upload = asyncio.run(receive_body(stream([b"ab", b"", b"c"]), {}, target))
    assert (target.getvalue(), upload.size, upload.md5) == (b"abc", 3, hashlib.md5(b"abc").hexdigest())
    assert upload.trailers == {}


@pytest.mark.parametrize(
    "headers",
    [{"content-encoding": "aws-chunked"}, {"content-encoding": "gzip,aws-chunked"},
     {"x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER"}],
)  # fmt: skip
def test_a_chunked_body_is_decoded_whichever_header_announces_it(headers):
    target = io.BytesIO()
    upload = asyncio.run(receive_body(stream([encode([b"abc"], {"X-Amz-Checksum-Sha1": " x "})]), headers, target))
    assert target.getvalue() == b"abc"
    assert upload.trailers == {"x-amz-checksum-sha1": "x"}


@pytest.mark.parametrize(
    "body",
    [b"5\r\nabc", b"zz\r\nabc\r\n0\r\n\r\n", b"", b"-1\r\n", b"0x1\r\n", b"1_0\r\n", b"\r\n", b"1\nab", b"2\r\nabc\r\n",
     b"0\r\n", b"0\r\n\r\nmore\r\n", b"0\r\nno trailer\r\n\r\n"],
)  # fmt: skip
def test_a_body_that_is_not_chunked_as_announced_is_refused(body):
    with pytest.raises(IncompleteBody, match="The request body terminated unexpectedly"):
        asyncio.run(receive_body(stream([body]), {"content-encoding": "aws-chunked"}, io.BytesIO()))


@pytest.mark.parametrize("start", [b"", b"1;chunk-signature=", b"0\r\nx-amz-checksum-crc32:"])
def test_a_line_without_an_end_is_not_kept(start):
    decoder = ChunkDecoder()
    decoder.feed(start + b"a" * (LARGEST_LINES // 2))
    with pytest.raises(IncompleteBody, match="longer than 8,192 bytes"):
        decoder.feed(b"a" * (LARGEST_LINES // 2 + 1))


def test_trailers_without_an_end_are_not_kept():
    with pytest.raises(IncompleteBody, match="longer than 8,192 bytes"):
        decode([b"0\r\n", *(b"name-%d:v\r\n" % number for number in range(1000))])


@given(st.integers(1, 200), st.integers(0, 250), st.integers(0, 250))
def test_a_range_is_that_of_python_slices(size, first, last):
    data = bytes(index % 256 for index in range(size))
    try:
        found = parse_range(f"bytes={first}-{last}", size)
    except IndexError:
        assert first >= size
    else:
        assert (found is None) == (last < first)
        assert found is None or data[found[0] : found[1] + 1] == data[first : last + 1] != b""


def test_a_range_may_be_open_at_either_end():
    assert parse_range("bytes=3-", 10) == (3, 9)
    assert parse_range("bytes=-3", 10) == (7, 9)
    assert parse_range("bytes=-30", 10) == (0, 9)


@pytest.mark.parametrize("header", ["", "bytes=-", "items=0-1", "bytes=0-1,4-5", "bytes=a-b"])
def test_a_header_without_a_single_range_of_bytes_asks_for_the_whole_object(header):
    assert parse_range(header, 10) is None


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=10-20", "bytes=-0"])
def test_a_range_outside_is_an_error(header):
    with pytest.raises(IndexError, match="of 10 bytes"):
        parse_range(header, 10)


@given(st.integers(0, 5), st.integers(1, 600_000))
def test_a_body_is_sent_completely_and_its_last_block_is_marked(start, length):
    data = bytes(start + length + 3)
    sent = []

    async def in_thread(function, *arguments):
        return function(*arguments)

    async def send(message):
        sent.append(message)

    asyncio.run(send_body(lambda at, size: data[at : at + size], in_thread, send, start, length))
    assert sum(len(message["body"]) for message in sent) == length
    assert [message["more_body"] for message in sent] == [True] * (len(sent) - 1) + [False]
