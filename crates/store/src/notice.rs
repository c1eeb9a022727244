//! The outbox of notices: sealed until sent, then emptied (R1.9); and what became of them: receipts, bounces.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::prelude::*;
use domain::effects::{Channel, Notice, NoticeKind};
use domain::ids::{ApplicantId, NoticeId};
use serde::{Deserialize, Serialize};

use crate::connection::{AnyConnection, Store};
use crate::error::StoreError;
use crate::schema::notice;
use crate::time::stored;
use crate::trouble::{self, Queue, Task};
use sealing::Keys;

/// Tries after which a notice waits for an operator.
pub const TRIES_MOST: i32 = 8;
/// What stands in `answer` while a notice is being sent.
pub(crate) const CLAIMED: &str = "claimed";
/// So long a receipt may take before the provider is asked: it is pushed at once, then after 1, 5 and 10 minutes (sms.md §4).
const RECEIPT_WITHIN: TimeDelta = TimeDelta::minutes(20);
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

/// A text that was sent and has no receipt.
pub struct Unconfirmed {
    /// Which notice.
    pub id: NoticeId,
    /// The number that it went to.
    pub to: String,
    /// The provider's name for it.
    pub remote: String,
    /// When it was sent.
    pub sent_at: DateTime<Utc>,
}

/// What is known of a sent notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// It arrived.
    Arrived,
    /// It did not; the code says why.
    Failed(String),
    /// Nobody will ever say.
    Unknown,
}

/// A notice as staff and its receiver may see it.
#[derive(Debug, Clone)]
pub struct NoticeRow {
    /// How it travels.
    pub channel: Channel,
    /// About what: the code of a kind.
    pub kind: String,
    /// `queued`, `sent`, `delivered`, `undelivered`, `failed`, `parked` or `unknown`.
    pub state: String,
    /// Why it did not arrive.
    pub answer: String,
    /// When it was sent.
    pub sent_at: Option<DateTime<Utc>>,
    to_key: String,
}

impl NoticeRow {
    /// Whether it went to this address.
    pub fn went_to(&self, keys: &Keys, address: &str) -> bool {
        self.to_key == to_key(keys, address)
    }
}

/// The actor that sends by a channel.
fn dispatcher(channel: Channel) -> String {
    format!("notification_dispatcher.{}", channel.code())
}

#[derive(Serialize, Deserialize)]
struct Body {
    to: String,
    params: Vec<(String, String)>,
}

/// By which an address is known again after the notice is gone.
fn to_key(keys: &Keys, to: &str) -> String {
    keys.find("notice-to", to)
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
            notice::to_key.eq(to_key(keys, &queued.to)),
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
                .select((
                    notice::id,
                    notice::channel,
                    notice::kind,
                    notice::language,
                    notice::tries,
                    notice::answer,
                    notice::body,
                ))
                .first::<(String, String, String, String, i32, String, Option<Vec<u8>>)>(connection)
                .optional()?)
        })?;
        let Some((id, channel, kind, language, tries, answer, body)) = due else { return Ok(None) };
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
            let changed = diesel::update(row).set(set).execute(connection)? == 1;
            if changed && parked {
                let why = format!("{tries} tries, the last: {answer}");
                trouble::park(connection, Task::new(Queue::Notice, &id), &dispatcher(by), &why, now)?;
            }
            Ok(changed)
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

    /// It was sent: its words are destroyed. The number that a text went to is kept until there is a receipt.
    ///
    /// # Errors
    /// When the database fails.
    pub fn notice_sent(&self, notice: &Notice, remote: &str, now: DateTime<Utc>) -> Result<(), StoreError> {
        let key = notice.id.to_string();
        let waits = notice.channel == Channel::Sms;
        let body = Body { to: notice.to.clone(), params: Vec::new() };
        let body = waits.then(|| self.keys.seal_json(&format!("notice:{key}"), &body)).transpose()?;
        self.write(|connection| {
            let set = (
                notice::state.eq("sent"),
                notice::answer.eq(""),
                notice::remote.eq(Some(remote).filter(|remote| !remote.is_empty())),
                notice::sent_at.eq(Some(stored(now))),
                notice::due_at.eq(None::<chrono::NaiveDateTime>),
                notice::look_at.eq(waits.then(|| stored(now + RECEIPT_WITHIN))),
                notice::tries.eq(0),
                notice::body.eq(body),
            );
            diesel::update(notice::table.find(&key)).set(set).execute(connection)?;
            Ok(())
        })
    }

    /// It can't be sent until somebody mends something of ours: it waits for an operator.
    ///
    /// # Errors
    /// When the database fails.
    pub fn notice_parked(&self, notice: &Notice, answer: &str, now: DateTime<Utc>) -> Result<(), StoreError> {
        let (task, child) = (Task::new(Queue::Notice, notice.id), dispatcher(notice.channel));
        self.write(|connection| {
            let row = notice::table.find(notice.id.to_string());
            diesel::update(row).set(notice::answer.eq(answer)).execute(connection)?;
            trouble::park(connection, task, &child, answer, now)
        })
    }

    /// What receipts, bounces or the provider's answer say of sent notices, in one transaction. Told twice, it is noted
    /// once; the name in the middle, where there is one, must be the provider's own. True when one of them is being sent
    /// this very moment: what was said of it is to be said again.
    ///
    /// # Errors
    /// When the database fails.
    pub fn notice_receipts(&self, told: &[(NoticeId, Option<String>, Delivery)]) -> Result<bool, StoreError> {
        self.write(|connection| {
            let mut early = false;
            for (id, remote, what) in told {
                let (state, answer) = match what {
                    Delivery::Arrived => ("delivered", ""),
                    Delivery::Failed(code) => ("undelivered", code.as_str()),
                    Delivery::Unknown => ("unknown", ""),
                };
                let row = notice::table.find(id.to_string()).filter(notice::state.eq_any(["sent", "unknown"]));
                let set = (
                    notice::state.eq(state),
                    notice::answer.eq(answer),
                    notice::look_at.eq(None::<chrono::NaiveDateTime>),
                    notice::body.eq(None::<Vec<u8>>),
                );
                let changed = match remote {
                    // One that was found again without its name takes any.
                    Some(remote) => {
                        let row = row.filter(notice::remote.eq(remote).or(notice::remote.is_null()));
                        diesel::update(row).set(set).execute(connection)?
                    }
                    None => diesel::update(row).set(set).execute(connection)?,
                };
                if changed == 0 {
                    let claimed = notice::table.find(id.to_string()).filter(notice::state.eq("queued"));
                    let claimed = claimed.filter(notice::answer.eq(CLAIMED)).count().get_result::<i64>(connection)?;
                    early |= claimed > 0;
                }
            }
            Ok(early)
        })
    }

    /// Claims the sent text whose receipt is longest overdue, so that the provider is asked; then again later.
    ///
    /// # Errors
    /// When the database fails.
    pub fn claim_unconfirmed(&self, now: DateTime<Utc>) -> Result<Option<Unconfirmed>, StoreError> {
        type Row = (String, Option<String>, Option<chrono::NaiveDateTime>, i32, Option<Vec<u8>>);
        let at = stored(now);
        let row: Option<Row> = self.read(|connection| {
            Ok(notice::table
                .filter(notice::look_at.le(at))
                .order((notice::look_at, notice::id))
                .select((notice::id, notice::remote, notice::sent_at, notice::tries, notice::body))
                .first(connection)
                .optional()?)
        })?;
        let Some((id, remote, sent_at, tries, body)) = row else { return Ok(None) };
        // 20 minutes, 40, 80 … up to half a day.
        let next = now + (RECEIPT_WITHIN * (1 << tries.clamp(0, 8))).min(TimeDelta::hours(12));
        let claimed = self.write(|connection| {
            let row = notice::table.find(&id).filter(notice::look_at.le(at)).filter(notice::tries.eq(tries));
            let set = (notice::look_at.eq(Some(stored(next))), notice::tries.eq(tries + 1));
            Ok(diesel::update(row).set(set).execute(connection)? == 1)
        })?;
        if !claimed {
            return self.claim_unconfirmed(now);
        }
        let body = body.ok_or(StoreError::Value("notice.body"))?;
        let Body { to, .. } = self.keys.open_json(&format!("notice:{id}"), &body)?;
        Ok(Some(Unconfirmed {
            id: id.parse().map_err(|_| StoreError::Value("notice.id"))?,
            to,
            remote: remote.unwrap_or_default(),
            sent_at: sent_at.map(crate::time::instant).unwrap_or(now),
        }))
    }

    /// The newest notices to an applicant, without their words.
    ///
    /// # Errors
    /// When the database fails.
    pub fn notices_to(&self, owner: ApplicantId, most: i64) -> Result<Vec<NoticeRow>, StoreError> {
        type Row = (String, String, String, String, Option<chrono::NaiveDateTime>, Option<String>);
        let rows: Vec<Row> = self.read(|connection| {
            Ok(notice::table
                .filter(notice::applicant_id.eq(owner.to_string()))
                .order(notice::id.desc())
                .select((notice::channel, notice::kind, notice::state, notice::answer, notice::sent_at, notice::to_key))
                .limit(most)
                .load(connection)?)
        })?;
        rows.into_iter()
            .map(|(channel, kind, state, answer, sent_at, to_key)| {
                Ok(NoticeRow {
                    channel: Channel::from_code(&channel).ok_or(StoreError::Value("notice.channel"))?,
                    kind,
                    state,
                    answer,
                    sent_at: sent_at.map(crate::time::instant),
                    to_key: to_key.unwrap_or_default(),
                })
            })
            .collect()
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
