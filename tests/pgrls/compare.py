"""Compares the findings of pgrls with those that docs/pgrls.md explains: a section for each rule,
and in it a line for each place, "* `place`: why". What is new, and what is gone, fails."""

import json
import re
import sys

found_file, explained_file = sys.argv[1:]
with open(found_file, encoding="utf-8") as file:
    violations = json.load(file)["violations"]
found = {(violation["rule_id"], violation["location"]) for violation in violations}

explained = set()
rule = None
with open(explained_file, encoding="utf-8") as file:
    for line in file:
        if heading := re.match(r"## ([A-Z]+\d+)\b", line):
            rule = heading[1]
        elif place := re.match(r"\* `([^`]+)`: \S", line):
            explained.add((rule, place[1]))

if not found:
    sys.exit("pgrls found nothing at all: it did not look where it should")
for rule, place in sorted(found - explained):
    print(f"not explained in docs/pgrls.md: {rule} {place}")
for rule, place in sorted(explained - found):
    print(f"explained, and not found any more: {rule} {place}")
print(f"pgrls: {len(found)} findings, {len(found & explained)} of them explained")
sys.exit(found != explained)
