"""`python -m realtime_sync`: the same as the command `realtime-sync`."""

from realtime_sync.cli import main

if __name__ == "__main__":
    main()
