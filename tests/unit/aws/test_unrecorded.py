"""Resources that a session created without its ledger, in an account that others use too."""

from harness.aws.cleanup.names import new_run
from harness.aws.unrecorded import unrecorded
from tests.support.ledgers import client

IMAGE = {"Image": "811284229777.dkr.ecr.us-east-1.amazonaws.com/xgboost:1"}


def create(sagemaker, name):
    sagemaker.create_model(ModelName=name, PrimaryContainer=IMAGE, ExecutionRoleArn="arn:aws:iam::1:role/r")


def test_a_resource_in_no_ledger_is_listed_with_its_time_tags_and_command(ledger):
    sagemaker = client("sagemaker")
    create(sagemaker, "mine")
    arn = sagemaker.describe_model(ModelName="mine")["ModelArn"]
    sagemaker.add_tags(ResourceArn=arn, Tags=[{"Key": "team", "Value": "a"}])
    [line] = unrecorded(ledger, client)
    assert line.startswith("model mine (created 20")
    assert line.endswith("UTC, team=a): aws sagemaker delete-model --model-name mine --region us-east-1")


def test_resources_of_ledgers_are_not_listed(ledger, watched):
    create(watched, "recorded")
    create(client("sagemaker"), f"hsh-{new_run(ledger.header.account)}-1-model")
    assert unrecorded(ledger, client) == []
