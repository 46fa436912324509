"""Several accounts on the command line: which one a command is for, and what is done for all of them together."""
