//! Every log line and metric is an event type with a name in one enum; ids, never text.
