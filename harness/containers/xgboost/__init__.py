"""The built-in XGBoost, ``xgboost:1``: hyperparameters, training data, training and serving."""
