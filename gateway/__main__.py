"""`python -m gateway`: the `gateway` command."""

from gateway.cli.main import main

main()
