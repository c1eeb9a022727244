//! The same decision for machines: a W3C credential (VCDM 2.0), the same as an Open Badge 3.0, and the status lists that
//! say which of them no longer hold.
//!
//! A credential says that somebody's degree was *authenticated*; it does not award the degree. No number of an identity
//! document is in it.

use chrono::{DateTime, SecondsFormat, Utc};
use domain::case::Outcome;
use proof::{ProofError, jose, status};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::certificate::{AUTHORITY_EN, AUTHORITY_ZH, CertificateFacts};
use crate::keys::{Keys, Trust};
use crate::receipt::ReceiptFacts;

/// The base context of VCDM 2.0.
const VC: &str = "https://www.w3.org/ns/credentials/v2";
/// The context of Open Badges, the newest of its repository.
const BADGE: &str = "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.3.json";
const BADGE_SCHEMA: &str =
    "https://purl.imsglobal.org/spec/ob/v3p0/schema/json/ob_v3p0_achievementcredential_schema.json";
/// How numbers of documents begin: certificate, deferral, refusal.
const KINDS: [&str; 3] = ["RC", "RD", "RN"];
/// How long a verifier may keep a status list, in milliseconds.
pub const STATUS_TTL_MS: u64 = 300_000;

/// What a status list says of its credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// They no longer hold, for whatever reason.
    Revocation,
    /// Another document took their place.
    Message,
}

impl Purpose {
    /// The word in addresses and in `statusPurpose`.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Revocation => "revocation",
            Self::Message => "message",
        }
    }

    /// Reads a word.
    pub fn from_code(code: &str) -> Option<Self> {
        [Self::Revocation, Self::Message].into_iter().find(|purpose| purpose.code() == code)
    }
}

/// A credential's place in the status lists. It follows from the document's number, which has no gaps: the kind, the
/// year, and eight digits from 1 on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The list: kind, year, and which of that year's, such as `RC2026-1`.
    pub list: String,
    /// Which bit.
    pub index: usize,
}

impl Place {
    /// The place of the document with this number.
    pub fn of(number: &str) -> Option<Self> {
        let (kind, serial) = number.split_at_checked(6)?;
        let serial: usize = serial.parse().ok().filter(|serial| *serial > 0)?;
        let which = (serial - 1) / status::ENTRIES + 1;
        Some(Self { list: format!("{kind}-{which}"), index: (serial - 1) % status::ENTRIES })
    }

    /// The first and the last number that have their place in this list.
    pub fn numbers(list: &str) -> Option<(String, String)> {
        let (kind, which) = list.split_once('-')?;
        let (name, year) = kind.split_at_checked(2)?;
        let plain = KINDS.contains(&name) && year.len() == 4 && year.bytes().all(|byte| byte.is_ascii_digit());
        let which: usize = which.parse().ok().filter(|which| plain && (1..=999).contains(which))?;
        Some((
            format!("{kind}{:08}", (which - 1) * status::ENTRIES + 1),
            format!("{kind}{:08}", which * status::ENTRIES),
        ))
    }
}

fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

fn list_url(keys: &Keys, list: &str, purpose: Purpose) -> String {
    format!("{}/credentials/status/{list}/{}", keys.site(), purpose.code())
}

fn status_entry(keys: &Keys, place: &Place, purpose: Purpose) -> Value {
    let list = list_url(keys, &place.list, purpose);
    let mut entry = Map::new();
    entry.insert("id".into(), format!("{list}#{}", place.index).into());
    entry.insert("type".into(), "BitstringStatusListEntry".into());
    entry.insert("statusPurpose".into(), purpose.code().into());
    entry.insert("statusListIndex".into(), place.index.to_string().into());
    entry.insert("statusListCredential".into(), list.into());
    if purpose == Purpose::Message {
        entry.insert("statusSize".into(), 1.into());
        entry.insert(
            "statusMessage".into(),
            json!([
                {"status": "0x0", "message": "not replaced"},
                {"status": "0x1", "message": "replaced by another document after a review"},
            ]),
        );
    }
    Value::Object(entry)
}

fn filled(members: Vec<(&str, Value)>) -> Value {
    let there = |value: &Value| !(value.is_null() || value.as_str().is_some_and(str::is_empty));
    Value::Object(
        members.into_iter().filter(|(_, value)| there(value)).map(|(name, value)| (name.to_owned(), value)).collect(),
    )
}

fn issuer(keys: &Keys) -> Value {
    json!({"id": keys.did(), "name": format!("{AUTHORITY_ZH} {AUTHORITY_EN}")})
}

/// The address of the context that explains our own words.
pub fn context_url(keys: &Keys) -> String {
    format!("{}/credentials/v1", keys.site())
}

/// The context that explains our own words: each is a name under its own address.
pub fn context(keys: &Keys) -> Value {
    const WORDS: [&str; 26] = [
        "AuthenticationCredential",
        "AuthenticatedPerson",
        "Authentication",
        "ReceiptCredential",
        "Payment",
        "authentication",
        "number",
        "outcome",
        "reason",
        "country",
        "institution",
        "institutionZh",
        "credentialName",
        "credentialNameZh",
        "level",
        "major",
        "birthDate",
        "awarded",
        "studiedFrom",
        "studiedUntil",
        "amountFen",
        "application",
        "order",
        "serial",
        "paid",
        "refunded",
    ];
    let base = context_url(keys);
    let mut terms = Map::new();
    terms.insert("@version".into(), json!(1.1));
    terms.insert("@protected".into(), true.into());
    terms.insert("id".into(), "@id".into());
    terms.insert("type".into(), "@type".into());
    terms.extend(WORDS.iter().map(|word| ((*word).to_owned(), format!("{base}#{word}").into())));
    json!({"@context": terms})
}

/// The credential of a document, unsigned.
///
/// # Errors
/// `Malformed` when its number is none of ours.
pub fn credential(keys: &Keys, facts: &CertificateFacts) -> Result<Value, ProofError> {
    let place = Place::of(&facts.number).ok_or_else(|| ProofError::Malformed("number".into()))?;
    let date = |date: Option<chrono::NaiveDate>| date.map(|date| Value::from(date.to_string())).unwrap_or_default();
    let month = |date: Option<chrono::NaiveDate>| {
        date.map(|date| Value::from(date.format("%Y-%m").to_string())).unwrap_or_default()
    };
    let authentication = filled(vec![
        ("type", "Authentication".into()),
        ("number", facts.number.clone().into()),
        ("outcome", facts.outcome.code().into()),
        ("reason", facts.reason.as_ref().map(|(zh, en)| format!("{zh} {en}")).unwrap_or_default().into()),
        ("country", facts.country.clone().into()),
        ("institution", facts.institution.clone().into()),
        ("institutionZh", facts.institution_zh.clone().into()),
        ("credentialName", facts.credential.clone().into()),
        ("credentialNameZh", facts.credential_zh.clone().into()),
        ("level", format!("{} {}", facts.level.0, facts.level.1).into()),
        ("major", facts.major.clone().into()),
        ("awarded", date(facts.awarded)),
        ("studiedFrom", month(facts.studied.0)),
        ("studiedUntil", month(facts.studied.1)),
    ]);
    let (title, title_en) = facts.title();
    Ok(json!({
        "@context": [VC, context_url(keys)],
        "id": facts.url,
        "type": ["VerifiableCredential", "AuthenticationCredential"],
        "name": format!("{title} {title_en}"),
        "issuer": issuer(keys),
        "validFrom": instant(facts.issued_at),
        "credentialStatus": [status_entry(keys, &place, Purpose::Revocation), status_entry(keys, &place, Purpose::Message)],
        "credentialSubject": filled(vec![
            ("type", "AuthenticatedPerson".into()),
            ("name", facts.name.clone().into()),
            ("birthDate", date(facts.birth)),
            ("authentication", authentication),
        ]),
    }))
}

/// The badge of a certificate, unsigned, with the claims that a JWT of a badge has; notices have none.
///
/// # Errors
/// `Refused` for a notice, `Malformed` when its number is none of ours.
pub fn badge(keys: &Keys, facts: &CertificateFacts) -> Result<Value, ProofError> {
    if facts.outcome != Outcome::Certificate {
        return Err(ProofError::Refused("a notice is no badge"));
    }
    let place = Place::of(&facts.number).ok_or_else(|| ProofError::Malformed("number".into()))?;
    // The address can't be guessed, so neither can its hash: whoever has no badge can't try names against it.
    let salt = hex::encode(Sha256::digest(format!("badge {}", facts.url)).get(..8).unwrap_or_default());
    let who = hex::encode(Sha256::digest(format!("{}{salt}", facts.name)));
    let narrative = format!(
        "{} {} ({}) was authenticated: {}, {}. This badge states the result of the authentication; it does not award the \
         credential. 本徽章说明该学历学位经认证属实，不授予学历学位。",
        facts.credential, facts.credential_zh, facts.level.1, facts.institution, facts.country
    );
    let holder = format!("{}#holder", facts.url);
    Ok(json!({
        "@context": [VC, BADGE],
        "id": format!("{}#badge", facts.url),
        "type": ["VerifiableCredential", "OpenBadgeCredential"],
        "name": "国（境）外学历学位认证 Authenticated foreign credential",
        "issuer": {"id": keys.did(), "type": ["Profile"], "name": format!("{AUTHORITY_ZH} {AUTHORITY_EN}"), "url": keys.site()},
        "validFrom": instant(facts.issued_at),
        "credentialSubject": {
            "id": holder,
            "type": ["AchievementSubject"],
            "identifier": [{"type": "IdentityObject", "hashed": true, "identityHash": format!("sha256${who}"), "identityType": "ext:holderName", "salt": salt}],
            "achievement": {
                "id": format!("{}#achievement", facts.url),
                "type": ["Achievement"],
                "achievementType": "Certificate",
                "name": "国（境）外学历学位认证 Authenticated foreign credential",
                "description": narrative,
                "criteria": {"narrative": "The service checked the credential with whoever awarded it and its award against the rules in force. 经向颁证机构核查。"},
                "fieldOfStudy": facts.major,
            },
        },
        "credentialStatus": status_entry(keys, &place, Purpose::Revocation),
        "credentialSchema": [{"id": BADGE_SCHEMA, "type": "1EdTechJsonSchemaValidator2019"}],
        "iss": keys.did(),
        "jti": format!("{}#badge", facts.url),
        "sub": holder,
        "nbf": facts.issued_at.timestamp(),
    }))
}

/// The credential of a fee receipt, unsigned.
pub(crate) fn receipt(keys: &Keys, facts: &ReceiptFacts) -> Value {
    json!({
        "@context": [VC, context_url(keys)],
        "id": facts.verify,
        "type": ["VerifiableCredential", "ReceiptCredential"],
        "name": "学历学位认证费用收讫证明 Fee receipt",
        "issuer": issuer(keys),
        "validFrom": instant(facts.paid_at),
        "credentialSubject": filled(vec![
            ("type", "Payment".into()),
            ("name", facts.payer.clone().into()),
            ("amountFen", facts.amount.0.into()),
            ("application", facts.number.clone().into()),
            ("order", facts.order.clone().into()),
            ("serial", facts.serial.clone().into()),
            ("paid", instant(facts.paid_at).into()),
            ("refunded", facts.refunded_at.map(instant).unwrap_or_default().into()),
        ]),
    })
}

impl Keys {
    /// A credential as a signed JWT.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn sign(&self, credential: &Value) -> Result<String, ProofError> {
        self.credential.sign(&self.kid(), credential)
    }

    /// A badge as a signed JWT.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn sign_badge(&self, badge: &Value) -> Result<String, ProofError> {
        self.credential.sign_badge(&self.key_url(), badge)
    }

    /// A credential with a proof of its own.
    ///
    /// # Errors
    /// When it can't be put into canonical form.
    pub fn secure(&self, credential: &Value, created: DateTime<Utc>) -> Result<Value, ProofError> {
        self.proof.secure(credential, &self.proof_method(), created)
    }

    /// A status list as a signed JWT: the bits of these numbers are set.
    ///
    /// # Errors
    /// `Malformed` when there is no such list, or a number belongs to another one.
    pub fn status_list(
        &self,
        list: &str,
        purpose: Purpose,
        set: &[String],
        at: DateTime<Utc>,
    ) -> Result<String, ProofError> {
        let malformed = || ProofError::Malformed("status list".into());
        Place::numbers(list).ok_or_else(malformed)?;
        let places: Option<Vec<usize>> = set
            .iter()
            .map(|number| Place::of(number).filter(|place| place.list == list).map(|place| place.index))
            .collect();
        let url = list_url(self, list, purpose);
        self.sign(&json!({
            "@context": [VC],
            "id": url,
            "type": ["VerifiableCredential", "BitstringStatusListCredential"],
            "issuer": self.did(),
            "validFrom": instant(at),
            "credentialSubject": {
                "id": format!("{url}#list"),
                "type": "BitstringStatusList",
                "statusPurpose": purpose.code(),
                "ttl": STATUS_TTL_MS,
                "encodedList": status::encode(places.ok_or_else(malformed)?)?,
            },
        }))
    }
}

/// Whether a credential's bit is set in a status list that somebody kept: the list must be signed by one of the keys, and be
/// the very one that the credential names. Gives back since when the list says so.
///
/// # Errors
/// `Refused` for another list, `Malformed` when it can't be read.
pub fn status_in(credential: &Value, list: &str, trust: &Trust) -> Result<(bool, String), ProofError> {
    let list = jose::verify(list.trim(), &trust.credential_keys)?;
    let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let subject = list.get("credentialSubject").cloned().unwrap_or_default();
    let entries = match credential.get("credentialStatus") {
        Some(Value::Array(all)) => all.clone(),
        Some(one) => vec![one.clone()],
        None => Vec::new(),
    };
    let mine = entries.iter().find(|entry| {
        !text(&list, "id").is_empty()
            && text(entry, "statusListCredential") == text(&list, "id")
            && text(entry, "statusPurpose") == text(&subject, "statusPurpose")
    });
    let place = text(mine.ok_or(ProofError::Refused("another list"))?, "statusListIndex");
    let place = place.parse().map_err(|_| ProofError::Malformed("statusListIndex".into()))?;
    Ok((status::is_set(&text(&subject, "encodedList"), place)?, text(&list, "validFrom")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_one_place_and_a_list_its_numbers() {
        let place = |number| Place::of(number).map(|place| (place.list, place.index));
        assert_eq!(place("RC202600000001"), Some(("RC2026-1".into(), 0)));
        assert_eq!(place("RD202600131072"), Some(("RD2026-1".into(), 131_071)));
        assert_eq!(place("RN202600131073"), Some(("RN2026-2".into(), 0)));
        assert_eq!(place("RC202600000000"), None);
        assert_eq!(place("RC"), None);
        assert_eq!(place("认证书二〇二六"), None);
        assert_eq!(Place::numbers("RC2026-2"), Some(("RC202600131073".into(), "RC202600262144".into())));
        for wrong in ["RC2026", "rc2026-1", "ZZ2026-1", "RC2026-0", "RC2026-x", "RC2026-1000", "../../x-1", "RC20'6-1"]
        {
            assert_eq!(Place::numbers(wrong), None, "{wrong}");
        }
    }
}
