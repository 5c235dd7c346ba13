-- Workers that share input queues. beat rises as long as a worker lives; the others compare it with what they saw before, so
-- that no two clocks are compared. places: the number of the worker's subscription to each queue, in order.
CREATE TABLE IF NOT EXISTS workers (
    team   TEXT NOT NULL,
    worker TEXT NOT NULL,
    beat   INTEGER NOT NULL,
    places TEXT NOT NULL,
    PRIMARY KEY (team, worker)
);
