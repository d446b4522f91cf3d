"""The run directory: what is in it, how it is written so that a crash cannot tear it, and how it is read.

directory  save, load, verify
info       what a run is: `run.json`
migration  runs of older versions, with the names of the present one
same_run   whether a training may continue a saved run
cost       time and memory that a run has cost
preview    a small picture of it, read without torch
atomic     files that are either the old or the new one, never half of each
kept_tensors  what is kept beside it, and could be made again
"""
