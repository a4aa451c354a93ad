"""IAM enforced: signatures, identities, actions that a request needs, and the evaluation of policies."""
