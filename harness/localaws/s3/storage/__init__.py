"""moto's S3: reads of its buckets, versions and uploads, and corrections to its methods."""
