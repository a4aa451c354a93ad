"""A load of mixed calls on a local AWS: each caller checks all that it gets back, and deletes all that it made."""

import hashlib
import random
import sys
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

from harness.aws.cleanup.names import ENDPOINT_LOGS
from harness.localaws.sagemaker.training.run import LOG_GROUP
from harness.waiting import wait_until

KB, MB = 1 << 10, 1 << 20
CALLERS = 8
KEYS = 12
BYTES = random.Random(0).randbytes(24 * MB)
"""Bodies are slices of these."""
IMAGE = "soak"
CONTAINER = """
import http.server, os, sys
if sys.argv[1] == "train":
    with open(os.environ["SAGEMAKER_BASE_DIR"] + "/model/model", "w") as file:
        file.write("trained")
    sys.exit()
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        self.answer(b"")
    def do_POST(self):
        self.answer(self.rfile.read(int(self.headers["Content-Length"]))[::-1])
    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass
http.server.HTTPServer(("127.0.0.1", int(os.environ["SAGEMAKER_BIND_TO_PORT"])), Handler).serve_forever()
"""
"""A container that trains nothing, and answers each invocation with its body backwards."""


class Caller:
    """One thread's calls on its own bucket, until it is stopped; then everything that it made is deleted."""

    def __init__(self, aws, number, seed):
        self._chance = random.Random(seed * CALLERS + number)
        self._name = f"soak-{number}"
        self._role = aws.role
        self._clients = {name: aws.client(name) for name in ("s3", "sagemaker", "sagemaker-runtime", "logs")}
        self._s3, self._sagemaker = self._clients["s3"], self._clients["sagemaker"]
        self._stored = {}
        self.latencies = []
        """Seconds of each GetObject of a small object."""
        self.calls = 0
        self._s3.create_bucket(Bucket=self._name)

    def run(self, stop):
        """Call until ``stop`` is set."""
        calls = [self.put, self.get, self.copy, self.list, self.delete, self.multipart, self.train, self.serve]
        # Few training jobs: SageMaker keeps them for good, and so does the local AWS (some kilobytes each).
        while not stop.is_set():
            (call,) = self._chance.choices(calls, [30, 40, 10, 5, 10, 2, 0.03, 0.1])
            call()
            self.calls += 1

    def clean_up(self):
        """Delete every object and the bucket, and close the connections."""
        for key in list(self._stored):
            self._s3.delete_object(Bucket=self._name, Key=key)
        self._s3.delete_bucket(Bucket=self._name)
        for client in self._clients.values():
            client.close()

    # --- S3 -------------------------------------------------------------------------------------------------------

    def _key(self):
        return f"key/{self._chance.randrange(KEYS)}"

    def _body(self, *sizes):
        size = self._chance.choice(sizes) + self._chance.randrange(KB)
        start = self._chance.randrange(len(BYTES) - size)
        return BYTES[start : start + size]

    def put(self):
        key, body = self._key(), self._body(0, KB, 100 * KB, MB, 3 * MB)
        self._s3.put_object(Bucket=self._name, Key=key, Body=body)
        self._stored[key] = body

    def get(self):
        key = self._key()
        if key not in self._stored:
            return
        body = self._stored[key]
        began = time.perf_counter()
        got = self._s3.get_object(Bucket=self._name, Key=key)["Body"].read()
        if len(body) < 200 * KB:
            self.latencies.append(time.perf_counter() - began)
        assert got == body, f"{key} has {len(got)} other bytes than the {len(body)} that were stored"

    def copy(self):
        source, target = self._key(), self._key()
        if source in self._stored and source != target:
            self._s3.copy_object(Bucket=self._name, Key=target, CopySource=f"{self._name}/{source}")
            self._stored[target] = self._stored[source]

    def list(self):
        listed = self._s3.list_objects_v2(Bucket=self._name).get("Contents", [])
        assert {item["Key"]: item["Size"] for item in listed} == {key: len(body) for key, body in self._stored.items()}

    def delete(self):
        key = self._key()
        self._s3.delete_object(Bucket=self._name, Key=key)
        self._stored.pop(key, None)

    def multipart(self):
        asked = {"Bucket": self._name, "Key": self._key()}
        asked["UploadId"] = self._s3.create_multipart_upload(**asked)["UploadId"]
        bodies = [self._body(5 * MB), self._body(5 * MB), self._body(KB)]
        parts = [
            {"PartNumber": number, "ETag": self._s3.upload_part(**asked, PartNumber=number, Body=body)["ETag"]}
            for number, body in enumerate(bodies, 1)
        ]
        if self._chance.random() < 0.3:
            self._s3.abort_multipart_upload(**asked)
        else:
            stored = self._s3.complete_multipart_upload(**asked, MultipartUpload={"Parts": parts})
            digests = b"".join(hashlib.md5(body).digest() for body in bodies)
            assert stored["ETag"] == f'"{hashlib.md5(digests).hexdigest()}-3"'
            self._stored[asked["Key"]] = b"".join(bodies)

    # --- SageMaker ------------------------------------------------------------------------------------------------

    def train(self):
        name = f"soak-{uuid.uuid4().hex}"
        self._sagemaker.create_training_job(
            TrainingJobName=name,
            RoleArn=self._role,
            OutputDataConfig={"S3OutputPath": f"s3://{self._name}/models"},
            AlgorithmSpecification={"TrainingImage": IMAGE, "TrainingInputMode": "File"},
            ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
            StoppingCondition={"MaxRuntimeInSeconds": 60},
        )
        described = wait_until(
            lambda: self._sagemaker.describe_training_job(TrainingJobName=name),
            f"training job {name} to end",
            done=lambda job: job["TrainingJobStatus"] != "InProgress",
            timeout=120,
        )
        assert described["TrainingJobStatus"] == "Completed", described["FailureReason"]
        key = described["ModelArtifacts"]["S3ModelArtifacts"].removeprefix(f"s3://{self._name}/")
        self._s3.delete_object(Bucket=self._name, Key=key)
        found = self._clients["logs"].describe_log_streams(logGroupName=LOG_GROUP, logStreamNamePrefix=name)
        for stream in found["logStreams"]:
            self._clients["logs"].delete_log_stream(logGroupName=LOG_GROUP, logStreamName=stream["logStreamName"])

    def serve(self):
        name = f"soak-{uuid.uuid4().hex}"
        self._sagemaker.create_model(ModelName=name, ExecutionRoleArn=self._role, PrimaryContainer={"Image": IMAGE})
        variant = {"VariantName": "v", "ModelName": name, "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
        self._sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])
        self._sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
        wait_until(
            lambda: self._sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"],
            f"endpoint {name} to be in service",
            done=lambda status: status != "Creating",
            timeout=120,
        )
        for _ in range(20):
            body = self._body(0, KB, 100 * KB)
            answer = self._clients["sagemaker-runtime"].invoke_endpoint(EndpointName=name, Body=body)
            assert answer["Body"].read() == body[::-1]
        self._sagemaker.delete_endpoint(EndpointName=name)
        self._sagemaker.delete_endpoint_config(EndpointConfigName=name)
        self._sagemaker.delete_model(ModelName=name)
        self._clients["logs"].delete_log_group(logGroupName=ENDPOINT_LOGS + name)


def call_for(aws, seconds, seed):
    """Call from several threads for some seconds, and delete all that they made; return the callers."""
    callers = [Caller(aws, number, seed) for number in range(CALLERS)]
    stop = threading.Event()
    with ThreadPoolExecutor(CALLERS) as pool:
        timer = threading.Timer(seconds, stop.set)
        timer.start()
        running = [pool.submit(caller.run, stop) for caller in callers]
        for future in running:
            future.result()  # with its error
        timer.cancel()
        list(pool.map(Caller.clean_up, callers))
    return callers


def warm_up(aws, calls):
    """Have the local AWS start the threads that it keeps, and fill its record of calls.

    As many calls are made at once as it takes at a time, and more.
    """
    s3 = [aws.client("s3") for _ in range(64)]
    s3[0].create_bucket(Bucket="warm")
    with ThreadPoolExecutor(len(s3)) as pool:
        list(pool.map(lambda number: s3[number % len(s3)].delete_object(Bucket="warm", Key=f"{number}"), range(calls)))
    s3[0].delete_bucket(Bucket="warm")
    for client in s3:
        client.close()


def register(aws, directory):
    """Register the container that is trained and served."""
    script = directory / "container.py"
    script.write_text(CONTAINER)
    aws.register_container(IMAGE, [sys.executable, "-S", str(script)])
