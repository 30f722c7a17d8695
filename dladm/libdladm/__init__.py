"""What the dladm command does, as functions for scripts.

Everything takes a `handle.Dladm`, an open host. Failures are `status.DladmError`s. `overlay`, `vnic`, `link` and `linkprop` are one
family of calls each; they use the kernel's /dev/dld, dlmgmtd, varpd and the restarter through that handle.
"""
