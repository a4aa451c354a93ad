"""Requests and answers of DeleteObjects, which name many keys.

See https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from xml.etree import ElementTree

from harness.localaws.exceptions import MalformedXML

_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
ElementTree.register_namespace("", _NAMESPACE)  # moto and clients look for names without a prefix
NOTHING_DELETED = f'<DeleteResult xmlns="{_NAMESPACE}"/>'.encode()
"""Answer to DeleteObjects if no key was deleted."""
Entry = tuple[str, str]
"""A key that DeleteObjects names, with a version id or ''."""


def entries_to_delete(body: bytes) -> list[Entry]:
    """Return the keys that a DeleteObjects request names.

    :raises MalformedXML: the body is not XML.
    """
    return [_entry(element) for element in _objects(_parsed(body))]


def without_entries(body: bytes, entries: Collection[Entry]) -> bytes:
    """Return a DeleteObjects request without some of its entries."""
    root = _parsed(body)
    for element in _objects(root):
        if _entry(element) in entries:
            root.remove(element)
    return ElementTree.tostring(root)


def answer_of(answer: bytes, request: bytes, refused: Mapping[Entry, str]) -> bytes:
    """Return moto's answer with the keys that were refused, and without those that were deleted if that is asked for.

    moto ignores ``Quiet``.
    """
    root = ElementTree.fromstring(answer)
    if any(_tag(part) == "Quiet" and (part.text or "").strip() == "true" for part in _parsed(request)):
        for deleted in [part for part in root if _tag(part) == "Deleted"]:
            root.remove(deleted)
    return with_refused(ElementTree.tostring(root), refused)


def with_refused(answer: bytes, reasons: Mapping[Entry, str]) -> bytes:
    """Return the answer to DeleteObjects with errors for the keys that were not deleted, each with its reason."""
    root = ElementTree.fromstring(answer)
    for (key, version), reason in reasons.items():
        error = ElementTree.SubElement(root, f"{{{_NAMESPACE}}}Error")
        parts = (("Key", key), ("VersionId", version), ("Code", "AccessDenied"), ("Message", reason))
        for name, text in parts:
            if text:
                ElementTree.SubElement(error, f"{{{_NAMESPACE}}}{name}").text = text
    return ElementTree.tostring(root)


def _parsed(body: bytes) -> ElementTree.Element:
    try:
        return ElementTree.fromstring(body)
    except (ElementTree.ParseError, LookupError, ValueError):  # the last two for an unknown encoding
        raise MalformedXML("The XML you provided was not well-formed or did not validate.") from None


def _objects(root: ElementTree.Element) -> list[ElementTree.Element]:
    return [element for element in root if _tag(element) == "Object"]


def _entry(element: ElementTree.Element) -> Entry:
    parts = {_tag(part): (part.text or "").strip() for part in element}  # moto strips them too
    return parts.get("Key", ""), parts.get("VersionId", "")


def _tag(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]
