"""Odd requests to the API's addresses of orders: each is answered, or refused with a reason.

``odd_orders`` draws orders that are almost valid, ``odd_requests`` the requests around them;
``answers`` says what an answer may be, ``run`` sends them, and compares at the end what is stored
with what was accepted; ``system`` starts the engine that is tried. All of it is seeded.
"""
