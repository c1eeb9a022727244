//! Types, rules and state machines of degree authentication.
