//! Rows, blobs and sealed columns: the only place that knows diesel, and the only place that holds keys.
//!
//! Everything here blocks: callers run it on a bounded pool. One file per aggregate; [`Store`] is the door.

mod applicant;
mod audit;
mod blobs;
mod certificate;
mod children;
mod clearing;
mod connection;
mod error;
mod material;
mod notice;
mod past;
mod payment;
mod phone;
mod programme;
mod queue;
mod recent;
mod refund;
mod registration;
mod rules;
mod schema;
mod sealing;
mod secrets;
mod session;
mod staff;
mod statistics;
mod time;
mod timeline;
mod transfer;
mod tries;
mod verification;

pub use applicant::Committed;
pub use audit::{AuditRow, Chain};
pub use blobs::Blobs;
pub use certificate::{DueCertificate, Verified};
pub use clearing::{ClearingDayRow, DiscrepancyRow};
pub use connection::Store;
pub use error::StoreError;
pub use material::{DueMaterial, MATERIAL_CRASHES_MOST};
pub use notice::{Delivery, DueNotice, NoticeRow, Unconfirmed};
pub use payment::{DueAttempt, GatewayMessage, MovementRow};
pub use phone::{PHONE_TTL, Phone};
pub use programme::{Batch, Imported, ProgrammeRow};
pub use queue::{COUNTED_MOST, Holder, QueueCursor, QueueFilter, QueueRow};
pub use refund::{LedgerRow, RefundPlace, RefundRow};
pub use registration::{CodeCheck, RegistrationState};
pub use sealing::Keys;
pub use secrets::{hash_password, random_token, verify_password};
pub use session::{Realm, SessionRow};
pub use staff::{INVITATION, Invitation, PersonRow, StaffRow, StaffSecret};
pub use statistics::{AGES, AgreementRow, DayRow, Durations, ResultRow};
pub use transfer::BatchRow;
pub use tries::Limit;
pub use verification::DueVerification;
