"""``python -m harness.localaws`` runs the local AWS; see :mod:`harness.localaws.server`."""

import os
import sys

from harness.localaws.server import main

code = main()
sys.stdout.flush()
sys.stderr.flush()
if "coverage" in sys.modules:  # it writes its data when Python ends in order
    sys.exit(code)
os._exit(code)  # freeing every object of moto takes longer than all else of the end
