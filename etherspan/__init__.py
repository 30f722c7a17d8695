"""Whole hosts: services, zones, labs, tools."""
