"""The `portolanadm` command: compute nodes, mappings, routes and the log of a store, and questions to a server.

* `cli`      the commands
* `tables`   what lists look like
* `client`   a client of SVP that asks one question at a time
"""
