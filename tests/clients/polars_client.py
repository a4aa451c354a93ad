import polars

polars.DataFrame({"a": [1]}).write_parquet("s3://clients/polars.parquet")
assert polars.scan_parquet("s3://clients/polars.parquet").collect()["a"].to_list() == [1]
