import pandas

pandas.DataFrame({"a": [1]}).to_parquet("s3://clients/pandas.parquet")
assert list(pandas.read_parquet("s3://clients/pandas.parquet")["a"]) == [1]
assert list(pandas.read_csv("s3://clients/rows.csv")["b"]) == [2]
