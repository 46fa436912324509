"""The bench: what a load, an idle sync, a build and a start cost, beside the goals and a floor of the same run.

``make bench``, or ``python -m tests.bench --help``. Not a test: it judges nothing but the goals, and prints those that
are missed too. It measures commands from outside, as processes, and knows nothing of the modules it measures.

account.py        a made-up account, rendered to bytes once
lists.py          filters and pages over those bytes
server.py         the account behind the smallest HTTP server that can serve it, in a process of its own
serving.py        that process, from outside
floor.py          what the same pages cost with raw sockets and DuckDB's read_json: the floor to compare with
peer_script.py    what they cost a script that is written by hand for speed
peer_rest_api.py  what they cost dlt's own source for REST APIs
loadfile.py       an account as a load file, for builds larger than any API could serve in time
forest.py         the referral tree alone, in little memory
measure.py        CPU seconds and peak memory of a whole process tree
plan.py           what is measured in which order
report.py         goals, table, JSON
"""
