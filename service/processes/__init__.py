"""Which workers and beats live."""
