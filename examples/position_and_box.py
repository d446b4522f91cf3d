"""Positions and boxes of what a phrase means. Usage: python examples/position_and_box.py RUN PHRASE"""

import sys

import langfield


def numbers(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:.3f}" for value in values)


run, phrase = sys.argv[1:]
(answer,) = langfield.open(run).query([phrase])
print(f"{phrase}: {len(answer.hits)} found, presence {answer.presence:.2f}")
for hit in answer.hits:
    print(f"position      {numbers(hit.position)}  (units of the photos' poses)")
    print(f"box           from {numbers(hit.box.low)} to {numbers(hit.box.high)}")
    print(f"oriented box  about {numbers(hit.oriented_box.centre)}, edges of {numbers(hit.oriented_box.size)}")
    print(f"best seen in  {hit.views[0]}")
