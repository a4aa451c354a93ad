"""Recorded answers of AWS to the calls of the reference programs, and their comparison with an AWS of today."""
