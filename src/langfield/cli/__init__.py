"""The command line: parse, call, print. One module per command; heavy imports happen inside the commands."""
