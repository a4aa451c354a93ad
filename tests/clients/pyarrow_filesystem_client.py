import os

from pyarrow.fs import S3FileSystem

files = S3FileSystem(endpoint_override=os.environ.get("AWS_ENDPOINT_URL_S3"))
with files.open_output_stream("clients/arrow-files") as stream:
    stream.write(b"written")
assert files.open_input_stream("clients/rows.csv").read() == b"a,b\n1,2\n"
