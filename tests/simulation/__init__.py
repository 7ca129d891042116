"""A model checker: the real execution core on virtual time, with modelled servers and faults."""
