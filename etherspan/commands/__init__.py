"""The subcommands of `etherspan`, one module each; the work is done elsewhere."""
