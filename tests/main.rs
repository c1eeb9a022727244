//! One binary of tests: journeys in a real browser, faults put into actors, the process killed at named places.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, clippy::print_stdout)]

mod architecture;
mod backup;
mod casework;
mod clearing;
mod documents;
mod doors;
mod faults;
mod foreign_client;
mod forms;
mod hostile;
mod joint;
mod journeys;
mod locales_agree;
mod notices;
mod operating;
mod operator;
mod recovery;
mod refunds;
mod rules;
mod settings;
mod staff;
mod store_suite;
mod storm;
mod support;
