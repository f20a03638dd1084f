"""`python -m workers` is one worker process."""

# The child processes of the worker import this module, too, and need nothing of it.
if __name__ == "__main__":
    import sys

    from workers.main import main

    sys.exit(main())
