"""Several accounts, each with a warehouse of its own, published together: one database, ``account`` in every key."""
