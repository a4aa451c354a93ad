"""S3: operations, streamed bodies, and bodies on disk."""
