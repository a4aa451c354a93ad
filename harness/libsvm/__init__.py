"""LibSVM text: ``<label> <index>:<value> ...``, one row a line, indices ascending from 1.

Reading is strict and exact. Every line gives exactly one row, every number is the 64-bit float nearest to its text, and
anything else is a :class:`~harness.errors.LibSVMError` that names the place: a reader that guesses would turn a broken
request into a wrong prediction. What is commonly met beyond the rules is read where it is asked for, one oddity at a
time or all of :data:`ODDITIES`, and the rows' report says what was found.

============ ========================================================================================================
module       what it is
============ ========================================================================================================
``rows``     what is read: labels, features, and the report
``rules``    the rules that hold for one reading
``threads``  work on parts, side by side and in order
``sources``  files, directories, gzip and streams as parts of whole lines
``reading``  parts to rows: the fast readers first, the letter of the rules where these find something odd
``fast``     plain text, read by Arrow
``letter``   any text, read by the letter of the rules: what is refused, and where
``tidying``  oddities taken out of a text, so that the fast readers can read it
``writing``  rows to text
============ ========================================================================================================
"""

from harness.libsvm.reading import batches, parse, read
from harness.libsvm.rows import Array, Change, LibSVM, Matrix, Report
from harness.libsvm.rules import BLANKS, ODDITIES, NonFinite, Oddity
from harness.libsvm.sources import CHUNK, Source, Sources
from harness.libsvm.writing import write

__all__ = [
    "BLANKS",
    "CHUNK",
    "ODDITIES",
    "Array",
    "Change",
    "LibSVM",
    "Matrix",
    "NonFinite",
    "Oddity",
    "Report",
    "Source",
    "Sources",
    "batches",
    "parse",
    "read",
    "write",
]
