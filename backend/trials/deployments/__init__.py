"""The matrix of deployments: the engine against the servers, poolers and nodes that people have.

Every cell is one PostgreSQL, one Redis and one node of a kind, with real processes: orders of all
sorts run through it, and the audit cross-checks what became of each. ``cells`` says what there is;
``servers`` runs PostgreSQL, PgBouncer and Redis from the files in ``templates``, which
``backend/DEPLOYMENT.md`` shows; ``node_proxy`` is a process before the simulated node that behaves
as ``node_models`` says; ``cell_run`` runs one cell, ``matrix`` all of them.
"""
