"""Training: the loop, its optimiser, its batches, and what it writes. It knows models only by their protocol.

loop         steps, reports, saves, and what happens when something goes wrong
config       its settings
batches      batches of rays
photos       batches of whole photos
optimiser    one Adam over named groups of parameters
guard        steps whose loss is not finite, counted on the device
graphs       whole steps as CUDA graphs
checkpoints  states in the run directory
observer     what looks at a training between its steps
event_log    figures on the way, as `events.jsonl` and for TensorBoard
signals      Ctrl-C lets the step end and saves
"""
