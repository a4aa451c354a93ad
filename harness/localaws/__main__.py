"""``python -m harness.localaws`` runs the local AWS; see :mod:`harness.localaws.server`."""

import sys

from harness.localaws.server import main

sys.exit(main())
