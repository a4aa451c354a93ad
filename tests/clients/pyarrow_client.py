import pyarrow
import pyarrow.dataset
import pyarrow.parquet

pyarrow.parquet.write_table(pyarrow.table({"a": [1]}), "s3://clients/arrow/1.parquet")
assert pyarrow.dataset.dataset("s3://clients/arrow/").to_table().to_pydict() == {"a": [1]}
