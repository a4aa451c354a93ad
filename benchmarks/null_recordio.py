"""Serving container that answers zeros to every record of RecordIO-protobuf, to measure everything except the model.

``python null_recordio.py KEY:LENGTH… serve``: each record of an answer has these keys, with as many numbers.
"""

import os
import struct
import sys

import numpy as np

from harness.containers.server import Answer, serve
from harness.recordio import CONTENT_TYPE, encode_answers

_MAGIC = struct.pack("<I", 0xCED7230A)  # as a float32 it is -1.8e9, which no row here has


class Nothing:
    """A model that reads no rows: it counts the frames."""

    def __init__(self, keys):
        self._record = encode_answers({key: np.zeros((1, length)) for key, length in keys.items()})

    def invoke(self, body, _content_type, _accept):
        """See :meth:`harness.containers.server.Model.invoke`."""
        return Answer(self._record * body.count(_MAGIC), CONTENT_TYPE)


def command(keys):
    """Return the command to register for an image."""
    return [sys.executable, __file__, *(f"{key}:{length}" for key, length in keys.items())]


if __name__ == "__main__":
    *named, verb = sys.argv[1:]
    assert verb == "serve"
    pairs = (each.split(":") for each in named)
    serve(Nothing({key: int(length) for key, length in pairs}), int(os.environ["SAGEMAKER_BIND_TO_PORT"]))
