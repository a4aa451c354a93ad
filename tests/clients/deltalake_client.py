import deltalake
import pyarrow

deltalake.write_deltalake("s3://clients/delta", pyarrow.table({"a": [1]}))
deltalake.write_deltalake("s3://clients/delta", pyarrow.table({"a": [2]}), mode="append")
assert deltalake.DeltaTable("s3://clients/delta").version() == 1
