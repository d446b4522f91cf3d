"""The run directory: what is in it, how it is written so that a crash cannot tear it, and how it is read.

directory     save, load, verify
existence     whether a folder holds a run, told without torch
info          what a run is: `run.json`
migration     runs of older versions, with the names of the present one
same_run      whether a training may continue a saved run
cost          time and memory that a run has cost
preview       a small picture of it, read without torch
kept_tensors  what is kept beside a run, and could be made again
atomic        files that are either the old or the new one, never half of each
"""
