"""RecordIO-protobuf: rows as Amazon's algorithms take and answer them, ``application/x-recordio-protobuf``.

A stream is a sequence of frames: the magic number, the length, one ``Record`` message, and zeros up to a multiple of 4
bytes. Each frame is one row. Reading is strict, and exact in float32: a frame that is not exactly one row raises a
:class:`RecordError` that names the number of the record.

Sources: https://docs.aws.amazon.com/sagemaker/latest/dg/cdf-training.html, ``record.proto`` and
``ProtobufConverter.scala`` of https://github.com/aws/sagemaker-spark, ``sagemaker.amazon.common`` of
https://github.com/aws/sagemaker-python-sdk.
Only float32 tensors are read. The guide says so for LinearLearner (LL-in-formats) and FactorizationMachines
(fm-in-formats). No page says what the other algorithms do with float64 or int32 tensors.

============= =====================================================================
module        contents
============= =====================================================================
``dataset``   the result of reading, and its errors
``wire``      bytes around the numbers of a row
``frames``    frames of a stream
``schema``    the messages, as classes of the ``protobuf`` package
``strict``    slow reader of any stream: names the record and the broken rule
``dense``     fast reader of frames that differ in their numbers only
``sparse``    fast reader of sparse rows
``reader``    bytes, files and streams to rows: the fast readers first
``writer``    rows to frames
============= =====================================================================
"""

from harness.recordio.dataset import Array, Matrix, RecordError, Records
from harness.recordio.reader import batches, parse, read
from harness.recordio.writer import encode, encode_answers

CONTENT_TYPE = "application/x-recordio-protobuf"

__all__ = [
    "CONTENT_TYPE",
    "Array",
    "Matrix",
    "RecordError",
    "Records",
    "batches",
    "encode",
    "encode_answers",
    "parse",
    "read",
]
