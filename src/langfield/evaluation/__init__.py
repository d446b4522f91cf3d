"""Evaluation: labels of things in photos, metrics, and one evaluator for every method and protocol."""
