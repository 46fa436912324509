"""Kills real processes at chosen steps: the steps of a process are counted as ticks, and it is killed before the n-th.

``ticks`` runs in the process that is killed, ``forks`` starts it, ``readers`` reads the published warehouse meanwhile,
``stage`` has a served account and what an undisturbed run publishes. Nothing here is part of the product.
"""
