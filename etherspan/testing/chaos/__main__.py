"""See the package."""

from etherspan.testing.chaos.run import main

if __name__ == "__main__":
    raise SystemExit(main())
