"""Train on photos and ask for things. Usage: python examples/train_and_ask.py SCENE OUT PHRASE..."""

import sys

import langfield

ENCODER = "builtin:mini"  # knows things on tables; for your own photos None, which downloads the preset's

scene, out, *phrases = sys.argv[1:]
report = langfield.train(scene, out, preset="lift", encoder=ENCODER, log=print)
print(f"{report.steps} steps in {report.seconds:.0f} s, {report.psnr:.1f} dB in views that were held out")

for answer in langfield.open(out).query(phrases):
    where = "at {:.2f}, {:.2f}, {:.2f}".format(*answer.position) if answer.position else "not there"
    print(f"{answer.phrase}: {where} (presence {answer.presence:.2f})")
