"""What `scripts/soak` does to the service, and what it looks at meanwhile.

quiet: known answers --> [ capacity --> load: good, bad, slow, gone ] in turns --> capacity
                                        probes, samples

wire.py      HTTP/1.1 over raw connections: a request out, an answer back
pages.py     good requests, and the answers they got while nobody else asked
callers.py   good callers: so many at once, or at random at a rate
abuse.py     bad, slow and vanishing callers
probes.py    /livez, /readyz and /metrics each second, from a process of its own
samples.py   memory, threads and open files of the service's processes each second
report.py    figures -> promises kept or not, Markdown and a plot
"""
