"""The register: every operation and member of the emulated services, each in exactly one class.

From it come the refusals of the local AWS, ``harness coverage``, a page of the documentation and the list in README.
A test compares it with botocore's models, and fails when they have an operation or a member that is not here.

- ``operation_class``, ``member_class``: the classes, and the form of the entries.
- ``sagemaker_operations``, ``service_operations``: the operations.
- ``training_members``, ``hosting_members``, ``service_members``: members of the input of emulated operations.
- ``lookup``: the whole register, by service.
- ``refusal``: checks a request against it.
- ``coverage``: the register as data for the command and the documentation.
"""
