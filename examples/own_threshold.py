"""Decide oneself what is there. Usage: python examples/own_threshold.py RUN THRESHOLD PHRASE..."""

import sys

import langfield

run, threshold, *phrases = sys.argv[1:]
for answer in langfield.open(run).query(phrases):
    there = answer.presence > float(threshold)
    usual = "there" if answer.present else "not there"
    print(f"{answer.phrase}: {'there' if there else 'not there'} (presence {answer.presence:.2f}; by default {usual})")
