"""Endpoints in service: their state, their deployment, the instances that serve them."""
