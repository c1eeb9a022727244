//! What the service knows about authenticating foreign degrees: types, rules and the life of a case.
//!
//! No I/O, no async, no clock: time is an argument. Start with [`applicant::Applicant`] (everything that belongs
//! to one person) and [`command::Command`] (the only way to change it).

pub mod account;
pub mod applicant;
pub mod application;
pub mod attachment;
pub mod calendar;
pub mod case;
pub mod casework;
pub mod certificate;
pub mod clearing;
pub mod command;
pub mod completeness;
pub mod country;
pub mod decision;
pub mod document_number;
pub mod effects;
pub mod experience;
pub mod form;
pub mod ids;
pub mod import;
pub mod joint;
pub mod material;
pub mod money;
pub mod one_time;
pub mod payment;
pub mod person;
pub mod refund;
pub mod registration;
pub mod rejection;
pub mod review;
pub mod second;
pub mod settlement;
pub mod staff;
pub mod steps;
pub mod submission;
pub mod supplement;
pub mod verification;

#[cfg(test)]
mod case_tests;
#[cfg(test)]
mod casework_tests;
#[cfg(test)]
mod tests;

pub use rejection::Rejection;
