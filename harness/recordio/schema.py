"""The messages of ``record.proto``, as classes of the ``protobuf`` package. No generated module is needed.

Names and numbers of the fields: https://docs.aws.amazon.com/sagemaker/latest/dg/cdf-training.html and ``record.proto``
of https://github.com/aws/sagemaker-spark (proto2).
"""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_PACKAGE = "harness.recordio"  # the pool is the process's own: a user's own aialgs.data may be in it
_FIELD = descriptor_pb2.FieldDescriptorProto
_TENSORS = {
    "Float32Tensor": _FIELD.TYPE_FLOAT,
    "Float64Tensor": _FIELD.TYPE_DOUBLE,
    "Int32Tensor": _FIELD.TYPE_INT32,
}
_VALUES = {"float32_tensor": (2, "Float32Tensor"), "float64_tensor": (3, "Float64Tensor")}
_VALUES |= {"int32_tensor": (7, "Int32Tensor"), "bytes": (9, "Bytes")}


def _file() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(name="harness/recordio.proto", package=_PACKAGE, syntax="proto2")
    for name, kind in _TENSORS.items():
        _add_tensor(file.message_type.add(name=name), kind)
    content = file.message_type.add(name="Bytes")
    content.field.add(name="value", number=1, type=_FIELD.TYPE_BYTES, label=_FIELD.LABEL_REPEATED)
    content.field.add(name="content_type", number=2, type=_FIELD.TYPE_STRING, label=_FIELD.LABEL_OPTIONAL)
    _add_value(file.message_type.add(name="Value"))
    _add_record(file.message_type.add(name="Record"))
    return file


def _add_tensor(tensor: descriptor_pb2.DescriptorProto, kind: Any) -> None:
    for number, (name, of) in enumerate(
        {"values": kind, "keys": _FIELD.TYPE_UINT64, "shape": _FIELD.TYPE_UINT64}.items(), 1
    ):
        field = tensor.field.add(name=name, number=number, type=of, label=_FIELD.LABEL_REPEATED)
        field.options.packed = True


def _add_value(value: descriptor_pb2.DescriptorProto) -> None:
    value.oneof_decl.add(name="value")
    for name, (number, message) in _VALUES.items():
        value.field.add(
            name=name,
            number=number,
            type=_FIELD.TYPE_MESSAGE,
            type_name=f".{_PACKAGE}.{message}",
            label=_FIELD.LABEL_OPTIONAL,
            oneof_index=0,
        )


def _add_record(record: descriptor_pb2.DescriptorProto) -> None:
    for number, name in enumerate(["features", "label"], 1):
        entry = record.nested_type.add(name=f"{name.title()}Entry")
        entry.options.map_entry = True
        entry.field.add(name="key", number=1, type=_FIELD.TYPE_STRING, label=_FIELD.LABEL_OPTIONAL)
        entry.field.add(
            name="value",
            number=2,
            type=_FIELD.TYPE_MESSAGE,
            type_name=f".{_PACKAGE}.Value",
            label=_FIELD.LABEL_OPTIONAL,
        )
        record.field.add(
            name=name,
            number=number,
            type=_FIELD.TYPE_MESSAGE,
            type_name=f".{_PACKAGE}.Record.{entry.name}",
            label=_FIELD.LABEL_REPEATED,
        )
    for number, name in enumerate(["uid", "metadata", "configuration"], 3):
        record.field.add(name=name, number=number, type=_FIELD.TYPE_STRING, label=_FIELD.LABEL_OPTIONAL)


def _class() -> Any:
    pool = descriptor_pool.DescriptorPool()
    pool.Add(_file())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.Record"))


Record: Any = _class()
"""Class of one row's message."""
