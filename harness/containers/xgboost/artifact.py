"""The file ``xgboost-model``: how each version of the image saves a booster, and the formats that it serves.

AWS documents ``pickle.load(open("xgboost-model", "rb"))`` for ``xgboost:1``, and ``Booster.load_model`` for models of
version 1.3-1 and later: https://docs.aws.amazon.com/sagemaker/latest/dg/xgboost-how-to-use.html. Containers load both
(``get_loaded_booster`` in ``serve_utils.py`` of https://github.com/aws/sagemaker-xgboost-container).
"""

from __future__ import annotations

import io
import pickle
import re
from pathlib import Path
from typing import Any

import xgboost as xgb

from harness.containers.runtime import UserError
from harness.containers.xgboost.versions import Version

MODEL_FILE = "xgboost-model"

_NEEDED = {
    ("xgboost.core", "Booster"),
    ("builtins", "bytearray"),
    ("builtins", "object"),
    ("copyreg", "_reconstructor"),
    ("_codecs", "encode"),
}
"""All that pickles of boosters refer to, in every protocol. Nothing else is imported: a pickle can run any code."""
_PYTHON_2 = {"copy_reg": "copyreg", "__builtin__": "builtins"}
"""Names of modules in old protocols."""
_PICKLES = (b"\x80", b"ccopy_reg\n", b"ccopyreg\n")
_OLD_BINARY = "in the binary format that XGBoost 3.1 removed"
_SAVE = "save it with Booster.save_model('xgboost-model.ubj')"


def save(booster: xgb.Booster, path: Path, version: Version) -> None:
    """Write the booster as the version does: a pickle, or XGBoost's own format (UBJ)."""
    path.write_bytes(booster.save_raw("ubj") if version.uses_callbacks else pickle.dumps(booster))


def load(path: Path) -> xgb.Booster:
    """Return the booster of a file: a pickle, JSON or UBJ.

    :raises UserError: the file is anything else. The error names the format.
    """
    content = bytearray(path.read_bytes())
    try:
        if content.startswith(_PICKLES):
            booster = _unpickle(content)
        elif content.startswith(b"{") and content.rstrip().endswith(b"}"):  # XGBoost aborts on a truncated file
            booster = xgb.Booster()
            booster.load_model(content)
        else:
            raise _UnreadableError(*_recognise(content))
        booster.set_param({"nthread": 0})  # all cores, as for a model that does not say how it was trained
    except _UnreadableError as error:
        raise _refusal(path, error.found, error.fix) from None
    except xgb.core.XGBoostError as error:
        reason = str(error).strip().partition("\n")[0]
        raise _refusal(path, f"not a model that it knows ({reason})", _SAVE) from error
    return booster


class _UnreadableError(Exception):
    def __init__(self, found: str, fix: str) -> None:
        super().__init__(found)
        self.found, self.fix = found, fix


def _refusal(path: Path, found: str, fix: str) -> UserError:
    return UserError(f"XGBoost {xgb.__version__} cannot read the model {path.name}: it is {found}.", fix=fix)


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (_PYTHON_2.get(module, module), name) not in _NEEDED:
            fix = "pickle the Booster itself (get_booster() of a scikit-learn model), or " + _SAVE
            raise _UnreadableError(f"a pickle of {module}.{name}, not of an xgboost.Booster", fix)
        return super().find_class(module, name)


def _unpickle(content: bytearray) -> xgb.Booster:
    try:
        booster = _Unpickler(io.BytesIO(content)).load()
        if isinstance(booster, xgb.Booster) and booster.num_features():
            return booster
    except (_UnreadableError, MemoryError):
        raise
    except xgb.core.XGBoostError:
        fix = "unpickle it with the XGBoost that wrote it, and " + _SAVE
        raise _UnreadableError("the pickle of a booster of an older XGBoost", fix) from None
    except Exception as error:  # damaged pickles raise errors of many types
        raise _UnreadableError(f"a damaged pickle ({type(error).__name__}: {error})", "upload it again") from None
    raise _UnreadableError(f"a pickle of {type(booster).__name__}, not of an xgboost.Booster", _SAVE)


_FORMATS = (
    (rb"\Z", "empty", "upload it again"),
    (rb"\x1f\x8b", "gzip data", "put the uncompressed file into model.tar.gz"),
    (rb"PK", "a ZIP archive", "put XGBoost's own file into model.tar.gz, or " + _SAVE),
    (rb"\{", "JSON or UBJ that ends too early", "upload it again"),
    (rb"booster\[|\[", "a dump of trees (Booster.dump_model)", _SAVE),
    (rb"binf|bs64|.*(gbtree|gblinear|dart)", _OLD_BINARY, f"load it with XGBoost 1.7, and {_SAVE}"),
    (rb"\x08.*onnx", "an ONNX model", "train it with XGBoost: this container serves nothing else"),
    (rb"[\t\r\n -~]+\Z", "text", _SAVE),
    (rb"", "in an unknown format", _SAVE),
)
"""Beginnings of files that are no models of XGBoost 1.0 or later: pattern, format and the way out. The first holds."""


def _recognise(content: bytearray) -> tuple[str, str]:
    """Return the format of a file that XGBoost cannot read, and the way out."""
    return next(
        (found, fix) for pattern, found, fix in _FORMATS if re.match(pattern, content[:256], re.DOTALL | re.IGNORECASE)
    )
