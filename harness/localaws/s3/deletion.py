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
"""The answer to DeleteObjects when no key was deleted."""
Entry = tuple[str, str]
"""A key that DeleteObjects names, with a version's id or ''."""


def entries_to_delete(body: bytes) -> list[Entry]:
    """Return what a DeleteObjects request names.

    :raises MalformedXML: the body is no XML.
    """
    return [_entry(element) for element in _objects(_parsed(body))]


def without_entries(body: bytes, entries: Collection[Entry]) -> bytes:
    """Return a DeleteObjects request, written again, without some of its entries."""
    root = _parsed(body)
    for element in _objects(root):
        if _entry(element) in entries:
            root.remove(element)
    return ElementTree.tostring(root)


def with_refused(answer: bytes, reasons: Mapping[Entry, str]) -> bytes:
    """Return the answer to DeleteObjects with what was not deleted, each with its reason.

    See https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html
    """
    root = ElementTree.fromstring(answer)
    for (key, version), reason in reasons.items():
        error = ElementTree.SubElement(root, f"{{{_NAMESPACE}}}Error")
        told = (("Key", key), ("VersionId", version), ("Code", "AccessDenied"), ("Message", reason))
        for name, text in told:
            if text:
                ElementTree.SubElement(error, f"{{{_NAMESPACE}}}{name}").text = text
    return ElementTree.tostring(root)


def _parsed(body: bytes) -> ElementTree.Element:
    try:
        return ElementTree.fromstring(body)
    except (ElementTree.ParseError, LookupError, ValueError):  # the latter of an encoding that nobody knows
        raise MalformedXML("The XML you provided was not well-formed or did not validate.") from None


def _objects(root: ElementTree.Element) -> list[ElementTree.Element]:
    return [element for element in root if _tag(element) == "Object"]


def _entry(element: ElementTree.Element) -> Entry:
    parts = {_tag(part): (part.text or "").strip() for part in element}  # moto strips them too
    return parts.get("Key", ""), parts.get("VersionId", "")


def _tag(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]
