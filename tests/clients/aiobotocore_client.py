import asyncio

from aiobotocore.session import get_session


async def main():
    async with get_session().create_client("s3") as s3:
        await s3.put_object(Bucket="clients", Key="aiobotocore", Body=b"written")
        answer = await s3.get_object(Bucket="clients", Key="rows.csv")
        assert await answer["Body"].read() == b"a,b\n1,2\n"


asyncio.run(main())
