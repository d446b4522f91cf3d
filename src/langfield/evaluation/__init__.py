"""Evaluation: how well a session answers, measured against labels by several protocols. Numbers only."""
