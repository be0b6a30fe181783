"""What `scripts/bench` measures.

systems.py   the peers and ourselves: started, asked, weighed, stopped
load.py      callers that each send the next image as soon as the last is answered
inside.py    the engine in this process: stages, operators, profiles, growth
report.py    figures -> Markdown and a plot

Timings are reported, never asserted.
"""
