"""`python -m workers` runs one worker process."""

# Spawned child processes import this module, too. They must not start another worker.
if __name__ == "__main__":
    import gc
    import sys

    # Nothing that a start creates is garbage, but searching it takes a tenth of the start. Enabled
    # again in `main.work`.
    gc.disable()
    from workers.main import main

    sys.exit(main())
