"""XML in the bodies of requests, checked against botocore's description of the operation.

S3 answers MalformedXML to a body that is not well-formed or does not have the form of its operation:
https://docs.aws.amazon.com/AmazonS3/latest/developerguide/ErrorResponses.html
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree

from harness.localaws.api_models import service_model
from harness.localaws.s3.rules.refusals import S3Refusal

Element = ElementTree.Element
_MAY_BE_EMPTY = ("CreateBucket", "PutBucketAcl", "PutObjectAcl", "RestoreObject")
"""Operations that take their parameters from headers if there is no body."""
_UNCHECKED = ("PutBucketPolicy", "PutObject", "UploadPart", "PostObject", "CreateMultipartUpload")
"""Operations whose body is no XML, or not a document."""
_OPEN = ("BucketLocationConstraint",)
"""Enumerations whose unknown values have another error."""
_INTEGER = re.compile(r"[+-]?\d+")
_MOST_KEYS = 1000
_MOST_PARTS = 10_000


def check_document(operation: str, body: bytes) -> None:
    """Raise :class:`S3Refusal` unless the body of an operation that takes a document is one."""
    if operation in _UNCHECKED or not operation.startswith(("Put", "Create", "Restore", "Select")):
        return
    payload = _payload(operation)
    if payload is None:
        return
    if not body.strip():
        if operation in _MAY_BE_EMPTY:
            return
        raise S3Refusal("MissingRequestBodyError")
    root = parse(body)
    if operation == "PutBucketVersioning":
        _check_versioning(root)
    if tag(root) != _root_name(payload) or not _fits(root, payload):
        raise S3Refusal("MalformedXML")


def parse(body: bytes) -> Element:
    """Return the root of a document.

    :raises S3Refusal: it is not well-formed, or declares entities.
    """
    try:
        if b"<!DOCTYPE" in body:
            raise ValueError("a document type")
        return ElementTree.fromstring(body)
    except (ElementTree.ParseError, LookupError, ValueError):  # the last two for an unknown encoding
        raise S3Refusal("MalformedXML") from None


def tag(element: Element) -> str:
    """Return an element's name without its namespace."""
    return element.tag.rpartition("}")[2]


def text_of(element: Element, name: str) -> str | None:
    """Return the text of the first child of that name, '' if it is empty, None if there is none."""
    return next((child.text or "" for child in element if tag(child) == name), None)


def parts_to_complete(body: bytes) -> list[tuple[int, str]]:
    """Return the number and ETag of each part that CompleteMultipartUpload names.

    :raises S3Refusal: they are none, or out of order.
    """
    if not body.strip():
        raise S3Refusal("InvalidRequest", "You must specify at least one part")
    root = parse(body)
    parts = [(text_of(each, "PartNumber"), text_of(each, "ETag")) for each in root if tag(each) == "Part"]
    known = all(number and _INTEGER.fullmatch(number.strip()) and etag is not None for number, etag in parts)
    if tag(root) not in ("CompleteMultipartUpload", "CompletedMultipartUpload") or not known or not parts:
        raise S3Refusal("MalformedXML")
    found = [(int(number or 0), (etag or "").strip()) for number, etag in parts]
    if len(found) > _MOST_PARTS:
        raise S3Refusal("MalformedXML")
    if any(after[0] <= before[0] for before, after in pairwise(found)):
        raise S3Refusal("InvalidPartOrder")
    return found


def check_deletion(root: Element) -> None:
    """Raise :class:`S3Refusal` unless a document is a request of DeleteObjects, with 1 to 1,000 keys."""
    objects = [each for each in root if tag(each) == "Object"]
    if tag(root) != "Delete" or not 0 < len(objects) <= _MOST_KEYS or not all(text_of(each, "Key") for each in objects):
        raise S3Refusal("MalformedXML")


def _check_versioning(root: Element) -> None:
    if tag(root) == "VersioningConfiguration" and text_of(root, "Status") is None:
        raise S3Refusal("IllegalVersioningConfigurationException")
    if text_of(root, "MfaDelete") == "Enabled":
        raise S3Refusal("NotImplemented", "The local AWS does not emulate MfaDelete of PutBucketVersioning of S3.")


def _payload(operation: str) -> Any:
    """Return the shape of an operation's document, or None if it has none."""
    shape = service_model("s3").operation_model(operation).input_shape
    name = shape.serialization.get("payload")
    payload = shape.members.get(name) if name else None
    return payload if payload is not None and payload.type_name == "structure" else None


def _root_name(shape: Any) -> str:
    return str(shape.serialization.get("name", shape.name))


def _fits(element: Element, shape: Any) -> bool:
    """Return whether an element has the form of a shape."""
    if shape.type_name == "structure":
        return _fits_structure(element, shape)
    if shape.type_name == "list":
        name = shape.member.serialization.get("name", "member")
        return all(tag(child) == name and _fits(child, shape.member) for child in element)
    text = (element.text or "").strip()
    if shape.type_name in ("integer", "long"):
        return _INTEGER.fullmatch(text) is not None
    if shape.type_name == "boolean":
        return text.lower() in ("true", "false")
    if len(element):
        return False
    return shape.name in _OPEN or not getattr(shape, "enum", None) or text in shape.enum


def _fits_structure(element: Element, shape: Any) -> bool:
    members = {
        _element_name(name, member): (name, member)
        for name, member in shape.members.items()
        if not member.serialization.get("xmlAttribute")
    }
    found: list[str] = []
    for child in element:
        name, member = members.get(tag(child), ("", None))
        flat = member is not None and member.type_name == "list" and member.serialization.get("flattened")
        if member is None or not _fits(child, member.member if flat else member):
            return False
        found.append(name)
    return set(shape.required_members) <= {*found, *_attributes(shape)}


def _attributes(shape: Any) -> list[str]:
    return [name for name, member in shape.members.items() if member.serialization.get("xmlAttribute")]


def _element_name(name: str, member: Any) -> str:
    if member.type_name == "list" and member.serialization.get("flattened"):
        return str(member.member.serialization.get("name", member.serialization.get("name", name)))
    return str(member.serialization.get("name", name))
