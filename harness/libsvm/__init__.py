"""LibSVM text: ``<label> <index>:<value> ...``, one row a line, indices ascending from 1.

Reading is strict and exact. Every line gives exactly one row, every number is the 64-bit float nearest to its text, and
anything else is a :class:`~harness.errors.LibSVMError` that names the place: a reader that guesses would turn a broken
request into a wrong prediction. What is commonly met beyond the rules is read where it is asked for, one oddity at a
time or all of :data:`ODDITIES`, and the rows' report says what was found.

============== ===============================================================================
module         contents
============== ===============================================================================
``dataset``    the result of reading: labels, features, and the report
``rules``      the rules that hold for one reading
``parallel``   work on parts, concurrently and in order
``inputs``     files, directories, gzip and streams as parts of whole lines
``reader``     parts to rows: the fast readers first, the strict one where these give up
``arrow``      fast reader of plain text, by Arrow
``strict``     slow reader of any text: finds which rule is broken, and where
``normalize``  deviations removed from a text, so that the fast readers can read it
``writer``     rows to text
``strategies`` hypothesis strategies for rows and texts
============== ===============================================================================
"""

from harness.libsvm.dataset import Array, Change, LibSVM, Matrix, Report
from harness.libsvm.inputs import CHUNK, Source, Sources
from harness.libsvm.reader import batches, parse, read
from harness.libsvm.rules import BLANKS, ODDITIES, NonFinite, Oddity
from harness.libsvm.writer import write

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
