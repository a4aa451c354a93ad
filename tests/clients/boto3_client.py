import boto3

s3 = boto3.client("s3")
s3.put_object(Bucket="clients", Key="boto3", Body=b"written")
assert s3.get_object(Bucket="clients", Key="rows.csv")["Body"].read() == b"a,b\n1,2\n"
assert "assumed-role" in boto3.Session(profile_name="default").client("sts").get_caller_identity()["Arn"]
