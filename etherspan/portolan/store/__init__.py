"""Where mappings, compute nodes, routes and events are kept, behind one protocol."""
