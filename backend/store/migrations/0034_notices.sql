-- One row: up to where operators have been told of what happened, and which process tells them now. It
-- is empty until a process does for the first time, which begins with what happens from then on.
CREATE TABLE notice_positions (
    one           boolean PRIMARY KEY DEFAULT true CHECK (one),
    holder        uuid,
    lease_until   timestamptz,
    audit_id      bigint,
    difference_id bigint,
    txid          bigint
);

INSERT INTO notice_positions DEFAULT VALUES;
