import os
from pathlib import Path

import duckdb
import duckdb_extension_httpfs

con = duckdb.connect()
[httpfs] = Path(duckdb_extension_httpfs.__file__).parent.rglob("*.duckdb_extension")
con.execute(f"LOAD '{httpfs}'")
if endpoint := os.environ.get("AWS_ENDPOINT_URL_S3"):
    con.execute("SET http_proxy = ''; SET s3_use_ssl = false; SET s3_url_style = 'path'")
    con.execute(f"SET s3_endpoint = '{endpoint.removeprefix('http://')}'")
con.execute("COPY (SELECT 1 AS a) TO 's3://clients/duckdb.parquet'")
assert con.execute("SELECT a FROM 's3://clients/duckdb.parquet'").fetchall() == [(1,)]
