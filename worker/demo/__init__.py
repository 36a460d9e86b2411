"""The demonstration: a campaign on the built-in occupant model, driven over the REST API like any tool's."""
