import s3fs

files = s3fs.S3FileSystem()
files.pipe("clients/s3fs", b"written")
assert files.cat("clients/rows.csv") == b"a,b\n1,2\n"
