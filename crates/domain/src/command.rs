//! The only way to change an applicant: a command decides, on a copy, what becomes of it.

use crate::Rejection;
use crate::applicant::Applicant;
use crate::effects::{Effects, Moment};

/// One wish. It may be decided again, on a newer state, before it is committed: so it borrows itself and must not
/// reach outside its arguments.
pub trait Command: Send + Sync + 'static {
    /// What the asker gets to know once it is committed.
    type Done: Send + 'static;

    /// Changes `applicant` and notes the effects, or says why not; then nothing is kept of either.
    ///
    /// # Errors
    /// [`Rejection`]: the asker's to put right.
    fn decide(
        &self,
        applicant: &mut Applicant,
        at: &Moment<'_>,
        effects: &mut Effects,
    ) -> Result<Self::Done, Rejection>;
}
