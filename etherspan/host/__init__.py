"""A host and its restarter.

* `states` is the restarter's state table: what each event does to a service (pure).
* `startd` is the program `svc.startd`: it makes the host's directories, starts the simulated kernel and the services, runs the boot
  steps, starts again what dies, and boots the host again when the kernel dies.
* `boot` is what runs once the kernel and dlmgmtd are there: overlays, VNICs, zones.
* `control` is how the rest of the project, and a script, boots and halts a host.
"""
