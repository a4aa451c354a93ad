"""Versions of the XGBoost image, and where they differ.

Every version runs the XGBoost that is installed here. Source: the history of
https://github.com/aws/sagemaker-xgboost-container, of which ``sagemaker-xgboost`` is built. The source of ``xgboost:1``
(XGBoost 0.72) is not public. Where its documentation says nothing else, it does here as version 0.90 of the open
container does: https://docs.aws.amazon.com/sagemaker/latest/dg/xgboost-72.html (documentation only).
"""

from __future__ import annotations

from dataclasses import dataclass

_UNREAD = ("application/x-parquet", "parquet", "application/x-recordio-protobuf", "recordio-protobuf")


@dataclass(frozen=True)
class Version:
    """A version of the image: ``1``, or a tag of ``sagemaker-xgboost`` such as ``1.7-1``."""

    name: str

    @property
    def xgboost(self) -> tuple[int, int]:
        """Major and minor version of XGBoost in AWS's image."""
        if self.is_first:
            return 0, 72
        major, minor = self.name.partition("-")[0].split(".")
        return int(major), int(minor)

    @property
    def is_first(self) -> bool:
        """True for ``xgboost:1``."""
        return self.name == "1"

    @property
    def uses_callbacks(self) -> bool:
        """True since 1.3-1, which trains through callbacks of XGBoost 1.3 (``callback.py``, ``train.py``).

        Since then it saves the model with ``Booster.save_model``, where older versions pickle the whole booster.
        Early stopping needs a validation channel and ``eval_metric``, and keeps the best rounds. A stopped job leaves a
        model only with ``save_model_on_termination``. Metrics are printed with five decimals.
        """
        return self.xgboost >= (1, 3)

    @property
    def estimates_base_score(self) -> bool:
        """True if XGBoost estimates ``base_score`` from the labels. XGBoost does since 2.0."""
        return self.xgboost >= (2, 0)

    @property
    def reads_accept(self) -> bool:
        """True since 1.2-2: an answer has the type that the request accepts, and CSV has a line for each row.

        Older versions answer CSV, all predictions in one line. Pull requests 269, 270 and 271 of the container's
        repository changed ``algorithm_mode/serve.py`` for 1.5-1, 1.3-1 and 1.2-2.
        """
        return self.xgboost > (1, 2) or self.name == "1.2-2"

    @property
    def selects_output(self) -> bool:
        """True if ``SAGEMAKER_INFERENCE_OUTPUT`` selects the content of answers (pull request 111)."""
        return self.name not in ("1", "0.90-1")

    def unread_type(self, content_type: str | None) -> str:
        """Return the reason if AWS's container reads a content type and this one does not, or ''."""
        name = (content_type or "").partition(";")[0].strip().lower()
        if self.is_first or name not in _UNREAD:
            return ""
        return f"{name} is read by AWS's image, and not emulated here."
