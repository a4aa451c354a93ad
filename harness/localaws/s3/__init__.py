"""S3: a proxy in front of moto, operations, streamed bodies, bodies on disk, CORS."""
