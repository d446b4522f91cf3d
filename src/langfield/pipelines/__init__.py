"""What is done in which order: from photos to a run, from a run to another one, the demo.

train       photos with poses → a trained run
lift        photos with poses and somebody else's Gaussians → a run
splat_fit   whether those Gaussians fit the photos
run_making  what `train` and `lift` have in common
stages      the single steps of it
bake        a run of a radiance field → a run of Gaussians
agreement   how well the two agree
opening     a run opened, to ask it or to measure it
observing   looking at a run while it is trained
measure     a run and its scene's labels → figures
demo        the bundled scene trained, asked and judged
"""
