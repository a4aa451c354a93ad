"""Predicts which customers will leave, with XGBoost on SageMaker. It reads CSV from S3, and writes Parquet to S3.

In production: ``python churn.py s3a://BUCKET/customers.csv s3a://BUCKET/predictions``, with the role in SAGEMAKER_ROLE.
"""

import os
import sys

from pyspark.ml.feature import VectorAssembler
from pyspark.ml.functions import array_to_vector, vector_to_array
from pyspark.sql import SparkSession
from pyspark.sql.functions import col
from sagemaker_pyspark import IAMRole, SageMakerResourceCleanup, classpath_jars
from sagemaker_pyspark.algorithms import XGBoostSageMakerEstimator

FEATURES = ["age", "months", "calls"]


def read(spark, uri):
    """Return the customers in a CSV file."""
    return spark.read.csv(uri, header=True, inferSchema=True)


def prepare(customers):
    """Return the training rows: ``label`` (1.0 if the customer left) and ``features``. Incomplete rows are dropped."""
    assembled = VectorAssembler(inputCols=FEATURES, outputCol="features").transform(customers.na.drop())
    dense = array_to_vector(vector_to_array("features"))  # the assembler makes some vectors sparse
    return assembled.select(col("churned").cast("double").alias("label"), dense.alias("features"))


def estimator(**options):
    """Return the estimator, with the role, the instances and whatever else the caller chooses."""
    built = XGBoostSageMakerEstimator(**options)
    built.setObjective("binary:logistic")
    built.setNumRound(20)
    built.setMaxDepth(3)
    return built


def score(model, rows, uri):
    """Write label and predicted probability of each row."""
    model.transform(rows).select("label", "prediction").write.parquet(uri)


def main(source, target):
    """Train on the customers in ``source``, and write the predictions to ``target``."""
    spark = SparkSession.builder.config("spark.driver.extraClassPath", ":".join(classpath_jars())).getOrCreate()
    rows = prepare(read(spark, source))
    model = estimator(
        sagemakerRole=IAMRole(os.environ["SAGEMAKER_ROLE"]),
        trainingInstanceType="ml.m4.xlarge",
        trainingInstanceCount=1,
        endpointInstanceType="ml.m4.xlarge",
        endpointInitialInstanceCount=1,
    ).fit(rows)
    try:
        score(model, rows, target)
    finally:
        SageMakerResourceCleanup(model.sagemakerClient).deleteResources(model.getCreatedResources())


if __name__ == "__main__":
    main(*sys.argv[1:])
