"""The `portolanadm` command: compute nodes, mappings, routes and the log of a store, and questions to a server.

* `cli`        the command; what is about the whole store
* `rows`       commands about compute nodes, mappings, routes, events
* `questions`  commands that ask a server
* `values`     values on the command line
* `common`     how commands come to the store
* `tables`     what lists look like
* `client`     a client of SVP that asks one question at a time
"""
