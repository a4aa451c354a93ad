"""SageMaker: the control plane, invocations, resources, training, hosting, and container processes."""
