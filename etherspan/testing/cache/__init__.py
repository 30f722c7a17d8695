"""The kernel's target cache beside a model of it that is small enough to read.

* `model`    the tables of docs/reference/kernel.md 2.2 and 2.4, as dictionaries
* `twin`     drives a kernel and the model together; `check` compares them
* `overlay`  one dynamic overlay, its handle and its port, for tests of single steps
"""
