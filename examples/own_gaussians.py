"""Ask Gaussians trained elsewhere. Usage: python examples/own_gaussians.py SCENE SPLAT.ply OUT PHRASE..."""

import sys

import langfield

ENCODER = "builtin:mini"  # knows things on tables; for your own photos None, which downloads the preset's

scene, splat, out, *phrases = sys.argv[1:]
langfield.lift(scene, splat, out, encoder=ENCODER, log=print)

run = langfield.open(out)
means = run.splats().means
for answer in run.query(phrases):
    print(f"{answer.phrase}: presence {answer.presence:.2f}")
    for hit, selection in zip(answer.hits, run.elements(answer.phrase), strict=True):
        x, y, z = means[selection].mean(axis=0)
        print(f"  {selection.sum()} of {len(means)} Gaussians about {x:.2f}, {y:.2f}, {z:.2f}, score {hit.score:.2f}")
