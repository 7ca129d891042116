"""The history of a run as its clients observed it, and the check of it.

As Jepsen does: concurrent clients record when each request was invoked and completed and what the
answer showed (``operations``); some do nothing but read, on every API process (``observers``); and
``rules``, which are pure, look in the whole history for what no order of events explains.

What an order shows is a register whose value, its ``seq``, only rises: an answer must show at least
what any client had seen, anywhere, before the request was invoked. So, for real time order across
all clients, and so for each of them alone:

- an order whose 202 is complete is never absent, on any API process;
- neither an order nor a list page shows an order older than seen before, nor is an answered
  cancellation ever undone;
- one sequence number of an order has one status, in answers, streams, lists and the journal, and
  nothing follows a final status;
- a list page lacks no order that was there before and matches its filter, nor has one twice, nor
  one that does not match it, and is in its order;
- statistics, which are cached, do not go backwards on a process, and count after a bound what was
  seen before; in the end they are those of the database;
- an event reaches the stream of each process within a bound after anybody saw what it tells;
- each request has its answer within a bound.

Bounds count the time without a fault: each is what may pass after the last one has ended.
"""
