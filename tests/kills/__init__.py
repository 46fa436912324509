"""Killing real processes where it hurts: progress is counted in ticks, and a process dies before the n-th of them.

``ticks`` runs in the process that dies, ``forks`` starts it, ``readers`` watches the published warehouse meanwhile,
``stage`` holds a served account and what an undisturbed run makes of it. Nothing here is part of the product.
"""
