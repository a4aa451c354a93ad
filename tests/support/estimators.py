"""Estimators of the Spark SDK on any image. Spark must be running when they are made."""

from sagemaker_pyspark import IAMRole, SageMakerEstimator
from sagemaker_pyspark.transformation.deserializers import XGBoostCSVRowDeserializer
from sagemaker_pyspark.transformation.serializers import LibSVMRequestRowSerializer


def libsvm_estimator(image, role, **members):
    """Return an estimator that trains an image on LibSVM and reads its answers as XGBoost's."""
    return SageMakerEstimator(
        trainingImage=image,
        modelImage=image,
        trainingInstanceType="ml.m4.xlarge",
        trainingInstanceCount=1,
        endpointInstanceType="ml.m4.xlarge",
        endpointInitialInstanceCount=1,
        requestRowSerializer=LibSVMRequestRowSerializer(),
        responseRowDeserializer=XGBoostCSVRowDeserializer(),
        trainingSparkDataFormat="libsvm",
        trainingContentType="text/libsvm",
        sagemakerRole=IAMRole(role),
        **members,
    )
