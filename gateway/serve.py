"""Entry point: `python -m gateway.serve` runs the API process."""

# The process pool's children import the main module again. It must not import the server in them.
if __name__ == "__main__":
    import sys

    from gateway.server import main

    sys.exit(main())
