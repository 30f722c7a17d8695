"""What this project needs of libscf: the codec and the client of the restarter's door.

There is no repository of properties here: a client names a service instance and the restarter (`etherspan.host.startd`) answers with
its state or acts on it.
"""
