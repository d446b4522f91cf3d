"""Decide oneself how sure is sure enough. Usage: python examples/own_threshold.py RUN MIN_PRESENCE PHRASE..."""

import sys

import langfield

run, min_presence, *phrases = sys.argv[1:]
for answer in langfield.open(run).query(phrases, min_presence=float(min_presence)):
    where = "at {:.2f}, {:.2f}, {:.2f}".format(*answer.position) if answer.position else "not there"
    print(f"{answer.phrase}: {where} (presence {answer.presence:.2f})")
