import boto3
import requests

url = boto3.client("s3").generate_presigned_url("get_object", {"Bucket": "clients", "Key": "rows.csv"})
assert requests.get(url, timeout=20).text == "a,b\n1,2\n"
