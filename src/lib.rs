//! renzheng: the service with which people have foreign degrees and diplomas authenticated.
//!
//! This package is what browsers see. Start reading with [`boot`], then `docs/ARCHITECTURE.md`.

pub mod applicant;
pub mod backup;
pub mod boot;
pub mod cli;
pub mod commands;
pub mod config;
pub mod demo;
pub mod error;
pub mod operator;
pub mod otlp;
pub mod proofs;
pub mod public;
pub mod seed;
pub mod staff;
pub mod web;
