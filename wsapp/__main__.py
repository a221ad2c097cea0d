"""`python -m wsapp` is the program `wsapp`."""

from wsapp.cli import main

if __name__ == "__main__":
    main()
