import smart_open

with smart_open.open("s3://clients/smart_open", "w") as file:
    file.write("written")
assert smart_open.open("s3://clients/rows.csv").read() == "a,b\n1,2\n"
