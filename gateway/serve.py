"""Entry point: `python -m gateway.serve` runs the API, in one process or in several.

`python -m gateway.serve NUMBER` is one process of several, see `multiprocess/process_group.py`.
"""

# The process pool's children import the main module again. It must not import the server in them.
# The parent of several API processes is small, because it does not import the server either.
if __name__ == "__main__":
    import gc
    import os
    import sys

    # Nothing that a start creates is garbage, but searching it takes a tenth of the start. Enabled
    # again in `server.serve`.
    gc.disable()
    from domains.kernel.core.log_stream import protect_standard_streams
    from domains.kernel.core.settings import SettingError, load_settings
    from domains.kernel.core.supervision.parent_watch import exit_with_supervisor

    protect_standard_streams()
    exit_with_supervisor()
    try:
        settings = load_settings(os.environ)
    except SettingError as error:
        sys.exit(f"gateway serve: {error}")
    number = int(sys.argv[1]) if len(sys.argv) > 1 else None
    if number is None and settings.serve_processes > 1:
        from gateway.multiprocess import process_group

        gc.enable()
        sys.exit(process_group.main(settings))
    from gateway import server

    sys.exit(server.main(settings, number))
