"""The command line of a checkout: `./run hub`. Installed, the script `hub` starts it."""

from hub.cli import hub

if __name__ == "__main__":
    hub(prog_name="hub")
