"""SageMaker: the control plane, training jobs, endpoints, and the processes of their containers."""
