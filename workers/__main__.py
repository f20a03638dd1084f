"""`python -m workers` runs one worker process."""

# Spawned child processes import this module, too. They must not start another worker.
if __name__ == "__main__":
    import sys

    from workers.main import main

    sys.exit(main())
