"""Encapsulation plugins that come with the driver; others are found through the entry-point group `etherspan.encap`."""
