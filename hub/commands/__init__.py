"""The commands of the command line, one file each; hub/cli.py lists them."""
