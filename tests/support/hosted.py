"""Creating what a fit creates, without a fit."""

IMAGE = {"Image": "811284229777.dkr.ecr.us-east-1.amazonaws.com/xgboost:1"}


def create(client, role, names, *, endpoint=True):
    """Create what a fit creates after its training job; the endpoint fails, since the model has no file."""
    client.create_model(ModelName=names.model, ExecutionRoleArn=role, PrimaryContainer=IMAGE)
    variant = {"VariantName": "v", "ModelName": names.model, "InstanceType": "ml.m4.xlarge", "InitialInstanceCount": 1}
    client.create_endpoint_config(EndpointConfigName=names.endpoint_config, ProductionVariants=[variant])
    if endpoint:
        client.create_endpoint(EndpointName=names.endpoint, EndpointConfigName=names.endpoint_config)
