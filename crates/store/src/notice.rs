//! The outbox of notices: sealed until sent, then emptied (R1.9).

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use domain::effects::{Channel, Notice, NoticeKind};
use domain::ids::NoticeId;
use serde::{Deserialize, Serialize};

use crate::connection::{AnyConnection, Store};
use crate::error::StoreError;
use crate::schema::notice;
use crate::sealing::Keys;
use crate::time::stored;

/// Tries after which a notice waits for an operator.
pub const TRIES_MOST: i32 = 8;
/// What stands in `answer` while a notice is being sent.
pub(crate) const CLAIMED: &str = "claimed";
/// How long a claimed notice is left to its claimer.
const LEASE: TimeDelta = TimeDelta::minutes(2);

/// A claimed notice.
#[derive(Debug)]
pub struct DueNotice {
    /// What to send.
    pub notice: Notice,
    /// Which try this is, from 1.
    pub tries: i32,
}

#[derive(Serialize, Deserialize)]
struct Body {
    to: String,
    params: Vec<(String, String)>,
}

pub(crate) fn queue(
    connection: &mut AnyConnection,
    keys: &Keys,
    owner: Option<&str>,
    queued: &Notice,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let id = queued.id.to_string();
    let body = Body { to: queued.to.clone(), params: queued.params.clone() };
    diesel::insert_into(notice::table)
        .values((
            notice::id.eq(&id),
            notice::applicant_id.eq(owner),
            notice::channel.eq(queued.channel.code()),
            notice::kind.eq(queued.kind.code()),
            notice::language.eq(queued.language),
            notice::state.eq("queued"),
            notice::due_at.eq(stored(now)),
            notice::body.eq(keys.seal_json(&format!("notice:{id}"), &body)?),
        ))
        .execute(connection)?;
    Ok(())
}

impl Store {
    /// Claims the notice of a channel that is due first: it is nobody else's until the lease ends.
    ///
    /// The try is counted before it is made, so a notice that kills its sender is parked in the end.
    ///
    /// # Errors
    /// When the database fails.
    pub fn claim_notice(&self, by: Channel, now: DateTime<Utc>) -> Result<Option<DueNotice>, StoreError> {
        let at = stored(now);
        let due = self.read(|connection| {
            Ok(notice::table
                .filter(notice::channel.eq(by.code()))
                .filter(notice::due_at.le(at))
                .order((notice::due_at, notice::id))
                .select((notice::id, notice::channel, notice::kind, notice::language, notice::tries, notice::body))
                .first::<(String, String, String, String, i32, Option<Vec<u8>>)>(connection)
                .optional()?)
        })?;
        let Some((id, channel, kind, language, tries, body)) = due else { return Ok(None) };
        let parked = tries >= TRIES_MOST;
        let claimed = self.write(|connection| {
            let row = notice::table.find(&id).filter(notice::due_at.le(at)).filter(notice::tries.eq(tries));
            let lease = (!parked).then(|| stored(now + LEASE));
            let state = if parked { "parked" } else { "queued" };
            let set = (
                notice::due_at.eq(lease),
                notice::tries.eq(tries + 1),
                notice::state.eq(state),
                notice::answer.eq(CLAIMED),
            );
            Ok(diesel::update(row).set(set).execute(connection)? == 1)
        })?;
        if !claimed || parked {
            // Somebody else has it, or nobody ever will: the next look finds the next.
            return self.claim_notice(by, now);
        }
        let body = body.ok_or(StoreError::Value("notice.body"))?;
        let Body { to, params } = self.keys.open_json(&format!("notice:{id}"), &body)?;
        let language = domain::person::Language::from_tag(&language).unwrap_or_default().tag();
        let notice = Notice {
            id: id.parse().map_err(|_| StoreError::Value("notice.id"))?,
            channel: Channel::from_code(&channel).ok_or(StoreError::Value("notice.channel"))?,
            kind: NoticeKind::from_code(&kind).ok_or(StoreError::Value("notice.kind"))?,
            to,
            language,
            params,
        };
        Ok(Some(DueNotice { notice, tries: tries + 1 }))
    }

    /// It was sent: address and words are destroyed.
    ///
    /// # Errors
    /// When the database fails.
    pub fn notice_sent(&self, id: NoticeId, answer: &str) -> Result<(), StoreError> {
        self.settle_notice(id, "sent", answer, None, true)
    }

    /// It was refused for good: address and words are destroyed.
    ///
    /// # Errors
    /// When the database fails.
    pub fn notice_failed(&self, id: NoticeId, answer: &str) -> Result<(), StoreError> {
        self.settle_notice(id, "failed", answer, None, true)
    }

    /// It is to be tried again.
    ///
    /// # Errors
    /// When the database fails.
    pub fn notice_again(&self, id: NoticeId, answer: &str, at: DateTime<Utc>) -> Result<(), StoreError> {
        self.settle_notice(id, "queued", answer, Some(at), false)
    }

    fn settle_notice(
        &self,
        id: NoticeId,
        state: &str,
        answer: &str,
        due: Option<DateTime<Utc>>,
        forget: bool,
    ) -> Result<(), StoreError> {
        self.write(|connection| {
            let row = notice::table.find(id.to_string());
            let set = (notice::state.eq(state), notice::answer.eq(answer), notice::due_at.eq(due.map(stored)));
            diesel::update(row).set(set).execute(connection)?;
            if forget {
                let row = notice::table.find(id.to_string());
                diesel::update(row).set(notice::body.eq(None::<Vec<u8>>)).execute(connection)?;
            }
            Ok(())
        })
    }

    /// How many notices are due, and how many are parked.
    ///
    /// # Errors
    /// When the database fails.
    pub fn notices_waiting(&self) -> Result<i64, StoreError> {
        self.read(|connection| Ok(notice::table.filter(notice::due_at.is_not_null()).count().get_result(connection)?))
    }
}
