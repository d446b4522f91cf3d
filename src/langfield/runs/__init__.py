"""The run directory: what a training leaves on disk, how it is written so that a crash cannot tear it, and read.

directory  save, load, verify
info       what a run is: `run.json`
migration  runs of older versions, told in the words of the present one
same_run   whether a training may go on with a saved run
atomic     files that are either the old or the new one, never half of each
"""
