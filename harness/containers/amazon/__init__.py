"""Parts that Amazon's built-in algorithms share: everything but the mathematics.

=================== ==========================================================================
module              contents
=================== ==========================================================================
``hyperparameters`` texts checked against a JSON Schema, with the service's own messages
``channels``        rows of a training channel: RecordIO-protobuf or CSV
``instances``       sums over the hosts of a training job
``metrics``         lines of the log that become metrics
``artifact``        the file ``model_algo-1``
``ndarrays``        files of Apache MXNet arrays
``array_models``    models that are such a file
``zips``            zips of such files and a network
``requests``        rows of a request
``answers``         answers in the type that the client accepts
``model``           a model behind ``/invocations``
=================== ==========================================================================

The containers are closed. Sources are the developer guide, the SDK, and messages in public reports. Modules say where
no source was found.
"""
