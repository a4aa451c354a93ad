"""An account in AWS: permissions that a run needs, policies that grant them, and the checks before a run."""
