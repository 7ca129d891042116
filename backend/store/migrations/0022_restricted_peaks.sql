-- As market_peaks, for trailing stops that name the pools that they may use: by the constraints of
-- which pools these are, in their normal form. A row is deleted when no order waits by it any more.
CREATE TABLE restricted_peaks (
    token_in            text NOT NULL,
    token_out           text NOT NULL,
    route_constraints   text NOT NULL,
    peaks               text NOT NULL,
    PRIMARY KEY (token_in, token_out, route_constraints)
);
