//! Names of things: a newtype each, so that none can stand where another belongs.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! id {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new one; ordered by the time of its making.
            pub fn fresh() -> Self {
                Self(Uuid::now_v7())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.simple().fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, uuid::Error> {
                text.parse().map(Self)
            }
        }
    )*};
}

id! {
    /// An applicant: one person, one account (R1.10).
    ApplicantId,
    /// One authentication application (认证申请).
    ApplicationId,
    /// One uploaded image of a material (认证材料).
    MaterialId,
    /// One attempt at real-person verification (实人认证).
    VerificationId,
    /// One attempt to pay.
    AttemptId,
    /// A batch of bank transfers.
    BatchId,
    /// One refund of one payment (退费).
    RefundId,
    /// A joint programme (中外合作办学).
    ProgrammeId,
    /// A student in the register of joint programmes.
    StudentId,
    /// A file that is to be imported.
    ImportId,
    /// One request for further materials (补充材料).
    SupplementId,
    /// One review of a result (复核).
    ReviewId,
    /// A certificate or notice that was issued.
    CertificateId,
    /// A member of staff.
    StaffId,
    /// A queued message to an applicant.
    NoticeId,
}
