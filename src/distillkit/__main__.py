"""`python -m distillkit`: the command line, where its script is not on the path."""

from distillkit.cli import main

if __name__ == "__main__":
    main()
