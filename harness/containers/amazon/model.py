"""A model behind ``/invocations``: reads the request, checks it, predicts, and writes the answer.

Messages and status codes: 400 and "unable to evaluate payload provided" from
https://github.com/aws/sagemaker-spark/issues/102, 415 from https://github.com/aws/amazon-sagemaker-examples/issues/1800
(DeepAR).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

import numpy as np

from harness.containers.amazon import answers, requests
from harness.containers.server import Answer
from harness.errors import DataError
from harness.recordio import Array, Matrix


@dataclass(frozen=True)
class Served:
    """Model that answers requests from several threads at once.

    :ivar width: number of features.
    :ivar predict: returns the columns of the answer for rows; raises DataError for rows that it cannot take.
    :ivar key: the list of rows in JSON.
    :ivar csv: columns of an answer in CSV, in order; empty if the algorithm does not answer in it.
    :ivar takes: types of requests.
    :ivar answers: types of answers, without CSV.
    """

    width: int
    predict: Callable[[Matrix], Mapping[str, Array]]
    key: str = "predictions"
    csv: tuple[str, ...] = ()
    takes: tuple[str, ...] = requests.ALL
    answers: tuple[str, ...] = answers.TYPES

    def invoke(self, body: bytes, content_type: str | None, accept: str | None) -> Answer:
        """See :meth:`harness.containers.server.Model.invoke`."""
        try:
            kind = answers.answer_type(accept, (*self.answers, requests.CSV) if self.csv else self.answers)
            rows = requests.read(body, content_type, self.width, self.takes)
            return answers.write(self.predict(rows), kind, key=self.key, csv=self.csv)
        except requests.UnsupportedTypeError as error:
            return _refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"Customer Error: {error.what}")
        except DataError as error:
            print(f"[ERROR] Customer Error: {error.what}", flush=True)
            return _refusal(HTTPStatus.BAD_REQUEST, f"unable to evaluate payload provided: {error.what}")


def _refusal(status: HTTPStatus, text: str) -> Answer:
    return Answer(text.encode(), status=status)


def sigmoid(scores: Array) -> Array:
    """Return the logistic function, without overflow."""
    powers = np.exp(-np.abs(scores))
    result: Array = np.where(scores >= 0, 1, powers) / (1 + powers)
    return result
