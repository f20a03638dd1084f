"""`python -m gateway.serve` is the API process."""

# The child processes of the API import this module, too, and need nothing of it.
if __name__ == "__main__":
    import sys

    from gateway.server import main

    sys.exit(main())
