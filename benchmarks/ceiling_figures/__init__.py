"""What benchmarks/ceilings.py measures, one file per family of figures.

Every file has ``tasks(quick)``, pieces of work that know nothing of each other; ``one(task)``, which does one in a
process of its own and gives plain numbers; and ``figures(tasks, found)``, which makes the figures of them.
"""
