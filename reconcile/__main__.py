"""``python -m reconcile`` and the console script."""

from reconcile.cli import main

if __name__ == "__main__":
    main()
