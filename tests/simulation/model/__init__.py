"""The modelled servers and the virtual-time event loop that the real execution core runs on."""
