"""A local AWS that enforces IAM and stands where AWS would: the harness in real mode reaches it as it reaches AWS.

It is a separate process. The harness is started with an environment from outside (proxy, CA, a user's keys) and does
not know where requests go; tests inspect resources through the control API, which AWS does not have.
"""

import itertools
import json

from harness.aws.local import MockAWS
from harness.settings import Settings

EVERYTHING = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}],
}


class IndependentAWS:
    """The local AWS, its administrator, and the users and roles that tests make."""

    def __init__(self, region="us-east-1"):
        self._aws = MockAWS.start(Settings(region=region), enforce_iam=True)
        self._numbers = itertools.count(1)
        self.connection = self._aws.connection
        self.region = self._aws.region
        self.account = self._aws.account
        self.faults = self._aws.faults
        """``faults.add("CreateModel", effect="lose_answer")`` …, ``faults.clear()``."""
        self.network = self._aws.cut_network
        """``network(True)`` cuts it: connections are dropped and refused; ``network(False)`` restores it."""
        self.calls = self._aws.calls
        """Returns ``calls``, ``counts`` by operation and the hosts ``refused``."""
        self.reset = self._aws.reset
        """Forgets resources, objects, logs, faults and calls; users and roles stay."""
        self.close = self._aws.close

    def client(self, service, environment=None):
        """Return a boto3 client with the administrator's credentials, or with those in the environment."""
        return self._aws.client(service, environment or self.connection.administrator)

    def user(self, policy=EVERYTHING):
        """Make a user with a policy; return the environment by which a process from outside is that user.

        Start processes with ``OUTSIDE | environment`` (``OUTSIDE`` is in conftest.py): they are no part of its run.
        """
        iam, name = self.client("iam"), f"user-{next(self._numbers)}"
        iam.create_user(UserName=name)
        self.put_user_policy(name, policy)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        keys = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
        return self.connection.outside_environment(keys)

    def put_user_policy(self, name, policy):
        """Give a user (``user-1`` is the first) another policy."""
        self.client("iam").put_user_policy(UserName=name, PolicyName="own", PolicyDocument=json.dumps(policy))

    def name_of(self, environment):
        """Return the ARN of the user whose environment this is."""
        return self.client("sts", environment).get_caller_identity()["Arn"]

    def role(self, policy=EVERYTHING, trust=TRUST):
        """Make a role that SageMaker can assume, with a policy; return its ARN."""
        iam, name = self.client("iam"), f"role-{next(self._numbers)}"
        role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))
        iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=json.dumps(policy))
        return role["Role"]["Arn"]

    def everything(self):
        """Return the names of all resources by kind, in all regions and of all creators; empty kinds are omitted.

        Kinds: "training job" (those that run), "model", "endpoint config", "endpoint", "S3 object" and "S3 upload" (as
        ``s3://`` URIs, without SageMaker's sample data), "log group".
        """
        return {kind: names for kind, names in self._aws.resources().items() if names}

    def set_quota(self, name, value):
        """Set a quota such as ``ml.m4.xlarge for endpoint usage``."""
        self.connection.control("POST", "/quotas", {"name": name, "value": value})

    def set_prices(self, products):
        """Let the Price List API know these products (``product``, ``terms``, … as AWS has them) and no others."""
        self.connection.control("POST", "/prices", {"products": products})

    def register_container(self, image, command):
        """Register a command (run with ``train`` or ``serve`` appended) as a container image."""
        self._aws.register_container(image, command)
