-- What the positions of an owner have cost up to a time, so that they need not be computed from the
-- first fill on whenever somebody asks. A row holds nothing that the orders do not tell, and may be
-- deleted at any time. Fills that were booked up to ``booked_at``, and then ``order_id``, are in
-- ``book``, which is JSON; of the reference token that it is computed in, the name is ``reference``.
CREATE TABLE position_checkpoints (
    owner     text NOT NULL,
    reference text NOT NULL,
    booked_at timestamptz NOT NULL,
    order_id  uuid NOT NULL,
    book      text NOT NULL,
    PRIMARY KEY (owner, reference)
);
