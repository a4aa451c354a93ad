from pyarrow.fs import S3FileSystem

S3FileSystem().get_file_info("clients/rows.csv")
