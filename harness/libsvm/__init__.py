"""LibSVM text: ``<label> <index>:<value> ...``, one row a line, indices ascending from 1.

Reading is strict and exact. Every line gives exactly one row, and every number is the 64-bit float nearest to its text.
Anything else raises a :class:`~harness.errors.LibSVMError` that names the line and column: a reader that guesses would
turn a broken request into a wrong prediction. Common deviations from the rules are read on request, one at a time or
all of :data:`DEVIATIONS`. The report of the rows lists those found.

============== ===============================================================================
module         contents
============== ===============================================================================
``dataset``    the result of reading: labels, features, and the report
``rules``      the rules that hold for one reading
``parallel``   parts processed in parallel, results in order
``inputs``     files, directories, gzip and streams as parts of whole lines
``reader``     parts to rows: the fast readers first, then the strict one
``arrow``      fast reader of plain text, by Arrow
``strict``     slow reader of any text: names the broken rule, line and column
``normalize``  deviations removed from a text, so that the fast readers can read it
``writer``     rows to text
``strategies`` hypothesis strategies for rows and texts
============== ===============================================================================
"""

from harness.libsvm.dataset import Array, Change, LibSVM, Matrix, Report
from harness.libsvm.inputs import CHUNK, Source, Sources
from harness.libsvm.reader import batches, parse, read
from harness.libsvm.rules import BLANKS, DEVIATIONS, Deviation, NonFinite
from harness.libsvm.writer import write

__all__ = [
    "BLANKS",
    "CHUNK",
    "DEVIATIONS",
    "Array",
    "Change",
    "Deviation",
    "LibSVM",
    "Matrix",
    "NonFinite",
    "Report",
    "Source",
    "Sources",
    "batches",
    "parse",
    "read",
    "write",
]
