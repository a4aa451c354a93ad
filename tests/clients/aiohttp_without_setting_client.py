import asyncio

import aiohttp
import boto3

url = boto3.client("s3").generate_presigned_url("get_object", {"Bucket": "clients", "Key": "rows.csv"})


async def main():
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        assert await answer.text() == "a,b\n1,2\n"


asyncio.run(main())
