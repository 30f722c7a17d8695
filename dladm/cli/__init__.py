"""The dladm command: `main` dispatches, `table` lists the subcommands, one module a family of them."""
