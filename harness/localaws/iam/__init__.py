"""Authorization: identities, required actions, the evaluation of policies, and S3's own rules about access."""
