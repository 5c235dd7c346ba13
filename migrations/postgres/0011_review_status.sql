-- The views of the console: not assigned, reopened.
CREATE INDEX IF NOT EXISTS review_status ON review (done, status, urgency, conversation_id) WHERE listed = 1;
