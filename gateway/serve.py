"""Entry point: `python -m gateway.serve` runs the API process."""

# The process pool's children import the main module again. It must not import the server in them.
if __name__ == "__main__":
    import gc
    import sys

    # Nothing that a start creates is garbage, but searching it takes a tenth of the start. Enabled
    # again in `server.serve`.
    gc.disable()
    from gateway.server import main

    sys.exit(main())
