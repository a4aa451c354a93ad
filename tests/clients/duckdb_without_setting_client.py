from pathlib import Path

import duckdb
import duckdb_extension_httpfs

con = duckdb.connect()
[httpfs] = Path(duckdb_extension_httpfs.__file__).parent.rglob("*.duckdb_extension")
con.execute(f"LOAD '{httpfs}'")
con.execute("SELECT * FROM 's3://clients/rows.csv'")
