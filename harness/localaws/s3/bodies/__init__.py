"""Bodies of S3 objects on their way in and out: checksums, uploads, forms, multipart uploads, downloads."""
