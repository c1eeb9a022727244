//! Links by which a holder shows a certificate to somebody: they expire, can be ended, and remember who looked.

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use diesel::prelude::*;
use domain::ids::{ApplicantId, CertificateId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::certificate::Verified;
use crate::connection::{Store, hold};
use crate::error::StoreError;
use crate::schema::{certificate, share, share_look};
use crate::secrets::token_hash;
use crate::time::{instant, stored};

/// Links of one certificate that can be open at once.
pub const SHARES_MOST: i64 = 20;
/// How long a link and those who looked are remembered after it has expired.
const REMEMBERED: TimeDelta = TimeDelta::days(365);
/// Looks that are shown of one link, the newest first.
pub const LOOKS_SHOWN: i64 = 50;
/// Looks after which a link is not opened any more: whoever opens it in a loop fills no database, and nobody looks unseen.
const LOOKS_MOST: i64 = 500;

/// What a link is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewShare {
    /// Its name: the same twice makes one link.
    pub id: Uuid,
    /// Whose.
    pub applicant: ApplicantId,
    /// Which certificate.
    pub certificate: CertificateId,
    /// For whom, in the holder's words.
    pub label: String,
    /// Until when.
    pub expires_at: DateTime<Utc>,
}

/// A link as its holder sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// Its name.
    pub id: String,
    /// What its address holds, which can't be guessed.
    pub token: String,
    /// For whom.
    pub label: String,
    /// When it was made.
    pub made_at: DateTime<Utc>,
    /// Until when it is good.
    pub expires_at: DateTime<Utc>,
    /// When its holder ended it.
    pub ended_at: Option<DateTime<Utc>>,
    /// Who looked, newest first, at the most [`LOOKS_SHOWN`].
    pub looks: Vec<ShareLook>,
    /// How often somebody looked.
    pub looked: i64,
}

impl Share {
    /// Whether it was opened so often that it leads nowhere any more.
    pub const fn is_used_up(&self) -> bool {
        self.looked >= LOOKS_MOST
    }
}

/// Somebody looked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShareLook {
    /// When.
    pub at: DateTime<Utc>,
    /// Who, as they said.
    pub who: String,
    /// From which network, shortened.
    pub network: String,
}

/// What a link that is good leads to.
#[derive(Debug, Clone)]
pub struct SharedWith {
    /// Its name.
    pub id: String,
    /// Until when it is good.
    pub expires_at: DateTime<Utc>,
    /// The certificate.
    pub found: Verified,
}

#[derive(Serialize, Deserialize)]
struct LookBody {
    who: String,
    network: String,
}

type ShareRow = (String, Vec<u8>, NaiveDateTime, NaiveDateTime, Option<NaiveDateTime>);

impl Store {
    /// What the address of a link holds: it follows from its name, and nobody else can work it out.
    fn share_token(&self, id: &str) -> String {
        self.keys.sign("share", id)
    }

    /// Makes a link. False when there are too many.
    ///
    /// # Errors
    /// When the database fails.
    pub fn make_share(&self, new: &NewShare, now: DateTime<Utc>) -> Result<bool, StoreError> {
        let id = new.id.simple().to_string();
        let body = self.keys.seal_json(&format!("share:{id}"), &new.label)?;
        let (of, token) = (new.certificate.to_string(), self.share_token(&id));
        self.write(|connection| {
            hold(connection, &format!("share:{of}"))?;
            let forgotten: Vec<String> = share::table
                .filter(share::expires_at.lt(stored(now - REMEMBERED)))
                .order(share::expires_at)
                .select(share::id)
                .limit(SHARES_MOST)
                .load(connection)?;
            diesel::delete(share_look::table.filter(share_look::share_id.eq_any(&forgotten))).execute(connection)?;
            diesel::delete(share::table.filter(share::id.eq_any(&forgotten))).execute(connection)?;
            if share::table.find(&id).select(share::id).first::<String>(connection).optional()?.is_some() {
                return Ok(true);
            }
            let open: i64 = share::table
                .filter(share::certificate_id.eq(&of))
                .filter(share::ended_at.is_null())
                .filter(share::expires_at.gt(stored(now)))
                .count()
                .get_result(connection)?;
            if open >= SHARES_MOST {
                return Ok(false);
            }
            diesel::insert_into(share::table)
                .values((
                    share::id.eq(&id),
                    share::token_hash.eq(token_hash(&token)),
                    share::applicant_id.eq(new.applicant.to_string()),
                    share::certificate_id.eq(&of),
                    share::body.eq(&body),
                    share::made_at.eq(stored(now)),
                    share::expires_at.eq(stored(new.expires_at)),
                ))
                .execute(connection)?;
            Ok(true)
        })
    }

    /// The links of these certificates, with who looked: the open ones, then the newest of the others.
    ///
    /// # Errors
    /// When the database fails.
    pub fn shares(&self, of: &[CertificateId], now: DateTime<Utc>) -> Result<Vec<Share>, StoreError> {
        let of: Vec<String> = of.iter().map(ToString::to_string).collect();
        let columns = (share::id, share::body, share::made_at, share::expires_at, share::ended_at);
        self.read(|connection| {
            let mine =
                || share::table.filter(share::certificate_id.eq_any(&of)).order(share::id.desc()).select(columns);
            let mut rows: Vec<ShareRow> =
                mine().filter(share::ended_at.is_null()).filter(share::expires_at.gt(stored(now))).load(connection)?;
            let over = share::ended_at.is_not_null().or(share::expires_at.le(stored(now)));
            rows.extend(mine().filter(over).limit(SHARES_MOST).load::<ShareRow>(connection)?);
            let mut shares = Vec::with_capacity(rows.len());
            for (id, body, made_at, expires_at, ended_at) in rows {
                let of_it = share_look::table.filter(share_look::share_id.eq(&id));
                let looked: i64 = of_it.count().get_result(connection)?;
                let looks: Vec<(String, NaiveDateTime, Vec<u8>)> = of_it
                    .order(share_look::id.desc())
                    .select((share_look::id, share_look::at, share_look::body))
                    .limit(LOOKS_SHOWN)
                    .load(connection)?;
                let looks = looks.into_iter().map(|(look, at, body)| {
                    let body: LookBody = self.keys.open_json(&format!("share_look:{look}"), &body)?;
                    Ok(ShareLook { at: instant(at), who: body.who, network: body.network })
                });
                shares.push(Share {
                    token: self.share_token(&id),
                    label: self.keys.open_json(&format!("share:{id}"), &body)?,
                    looks: looks.collect::<Result<_, StoreError>>()?,
                    looked,
                    id,
                    made_at: instant(made_at),
                    expires_at: instant(expires_at),
                    ended_at: ended_at.map(instant),
                });
            }
            Ok(shares)
        })
    }

    /// Ends a link of this applicant. Ended twice is ended once.
    ///
    /// # Errors
    /// When the database fails.
    pub fn end_share(&self, of: ApplicantId, id: &str, now: DateTime<Utc>) -> Result<(), StoreError> {
        self.write(|connection| {
            let row = share::table.find(id).filter(share::applicant_id.eq(of.to_string()));
            let open = row.filter(share::ended_at.is_null());
            diesel::update(open).set(share::ended_at.eq(Some(stored(now)))).execute(connection)?;
            Ok(())
        })
    }

    /// What a link leads to, while it is good.
    ///
    /// # Errors
    /// `Missing` when it is none, has expired or was ended: they look the same.
    pub fn shared(&self, token: &str, now: DateTime<Utc>) -> Result<SharedWith, StoreError> {
        self.read(|connection| {
            let (id, expires_at, applicant, application, body): (String, NaiveDateTime, String, String, String) =
                share::table
                    .inner_join(certificate::table.on(certificate::id.eq(share::certificate_id)))
                    .filter(share::token_hash.eq(token_hash(token)))
                    .filter(share::ended_at.is_null())
                    .filter(share::expires_at.gt(stored(now)))
                    .select((
                        share::id,
                        share::expires_at,
                        certificate::applicant_id,
                        certificate::application_id,
                        certificate::body,
                    ))
                    .first(connection)?;
            Ok(SharedWith {
                id,
                expires_at: instant(expires_at),
                found: crate::certificate::verified((applicant, application, body))?,
            })
        })
    }

    /// Notes who looked, before they see anything; false when the link is not good any more, or was opened too
    /// often to go on.
    ///
    /// # Errors
    /// When the database fails: then nothing must be shown.
    pub fn note_look(&self, share: &str, who: &str, network: &str, now: DateTime<Utc>) -> Result<bool, StoreError> {
        let id = Uuid::now_v7().simple().to_string();
        let body = LookBody { who: who.to_owned(), network: network.to_owned() };
        let body = self.keys.seal_json(&format!("share_look:{id}"), &body)?;
        self.write(|connection| {
            hold(connection, &format!("share-look:{share}"))?;
            // It may have been ended since it was looked up.
            let good = share::table
                .find(share)
                .filter(share::ended_at.is_null())
                .filter(share::expires_at.gt(stored(now)))
                .select(share::id)
                .first::<String>(connection)
                .optional()?;
            if good.is_none() {
                return Ok(false);
            }
            let looks: i64 = share_look::table.filter(share_look::share_id.eq(share)).count().get_result(connection)?;
            if looks >= LOOKS_MOST {
                return Ok(false);
            }
            diesel::insert_into(share_look::table)
                .values((
                    share_look::id.eq(&id),
                    share_look::share_id.eq(share),
                    share_look::at.eq(stored(now)),
                    share_look::body.eq(&body),
                ))
                .execute(connection)?;
            Ok(true)
        })
    }
}
