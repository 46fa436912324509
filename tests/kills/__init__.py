"""Kills real processes at chosen steps: the steps of a process are counted as ticks, and it is killed before the n-th.

``ticks`` runs in the process that is killed, ``forks`` starts it, ``readers`` watches the published warehouse meanwhile,
``stage`` holds a served account and what an undisturbed run makes of it. Nothing here is part of the product.
"""
