//! OpenSSL as libpq needs it, for PostgreSQL over TLS: nothing but its linking (`build/main.rs`); no code of ours calls it.
#![no_std]
