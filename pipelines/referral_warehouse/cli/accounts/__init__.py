"""Several accounts on the command line: the option ``--account``, and commands for all accounts together."""
