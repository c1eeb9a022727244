//! Sends the notices of the outbox by SMS and mail, in the applicant's language, and destroys their words after.

use std::rc::Rc;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use domain::effects::{Channel, Notice};
use domain::person::Language;
use gateways::GatewayError;
use gateways::mail::Mail;
use gateways::sms::{Fate, Sent, Sms};
use locales::Texts;
use store::{Delivery, Queue, Task};
use supervision::{Desk, Step, Work};

use crate::blocking::run;
use crate::session::{Fault, settled};
use crate::tree::World;

/// The work of the notification dispatcher.
pub(crate) struct NotificationDispatcher {
    world: Arc<World>,
    /// One dispatcher a channel: a mail server that hangs must not hold up codes by SMS.
    channel: Channel,
}

/// What sending came to.
enum Outcome {
    Sent(String),
    Failed(String),
    Again(String),
    Parked(String),
}

impl NotificationDispatcher {
    pub(crate) fn new(world: Arc<World>, channel: Channel) -> Self {
        Self { world, channel }
    }

    async fn send(&self, notice: &Notice, tries: i32, now: DateTime<Utc>) -> Outcome {
        match notice.channel {
            Channel::Sms => self.sms(notice, tries, now).await,
            Channel::Mail => self.mail(notice).await,
        }
    }

    async fn sms(&self, notice: &Notice, tries: i32, now: DateTime<Utc>) -> Outcome {
        let has_password = notice.params.iter().any(|(name, value)| name == "password" && !value.is_empty());
        let kind = match notice.kind.code() {
            "registered" if !has_password => "registered-name",
            kind => kind,
        };
        let Some(template) = self.world.settings.sms_templates.get(kind) else {
            return Outcome::Parked("no template".into());
        };
        let params: serde_json::Map<String, serde_json::Value> =
            notice.params.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
        let params = serde_json::Value::Object(params).to_string();
        let out_id = notice.id.to_string();
        // A send has no idempotency: before it is tried again, the provider is asked whether it knows the first (sms.md §1).
        if tries > 1 {
            // Its first try may have been the day before: days are told apart there.
            for day in [now, now - TimeDelta::days(1)] {
                match self.world.outside.sms.fate(&notice.to, "", &out_id, day, now).await {
                    Ok(Some(_)) => return Outcome::Sent(String::new()),
                    Ok(None) => {}
                    Err(error) => return Outcome::Again(error.to_string()),
                }
            }
        }
        let sms = Sms { phone: &notice.to, template, params: &params, out_id: &out_id };
        match self.world.outside.sms.send(&sms, now).await {
            Ok(Sent::Taken(remote)) => Outcome::Sent(remote),
            Ok(Sent::Later(code)) => Outcome::Again(code),
            Ok(Sent::Never(code)) => Outcome::Failed(code),
            Ok(Sent::Ours(code)) => Outcome::Parked(code),
            Err(error) => Outcome::Again(error.to_string()),
        }
    }

    async fn mail(&self, notice: &Notice) -> Outcome {
        let texts = Texts::new(Language::from_tag(notice.language).unwrap_or_default());
        let site = self.world.settings.site.as_str();
        let value =
            |name: &str| notice.params.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str());
        let args = [
            ("code", value("code")),
            ("number", value("number")),
            ("username", value("username")),
            ("password", value("password")),
            ("day", value("day")),
            ("site", site),
        ];
        let kind = notice.kind.code();
        let body_key = match value("password").is_empty() {
            true if kind == "registered" => "notice-registered-body-name".to_owned(),
            _ => format!("notice-{kind}-body"),
        };
        let subject = texts.with(&format!("notice-{kind}-subject"), &args);
        let body = format!("{}\n\n{}\n", texts.with(&body_key, &args), texts.with("notice-footer", &args));
        let id = notice.id.to_string();
        let mail = Mail { to: &notice.to, subject: &subject, body: &body, id: &id, language: notice.language };
        match self.world.outside.mail.send(&mail).await {
            Ok(()) => Outcome::Sent(String::new()),
            Err(GatewayError::Refused(why)) => Outcome::Failed(why),
            Err(error) => Outcome::Again(error.to_string()),
        }
    }
}

/// So long after the sending nobody will say any more how a text fared: the provider's own days are over.
const FATE_KNOWN_FOR: TimeDelta = TimeDelta::hours(72);

impl NotificationDispatcher {
    /// Asks the provider about a text whose receipt did not come.
    async fn ask(&self, now: DateTime<Utc>) -> Step {
        let store = Arc::clone(&self.world.store);
        let open = match run(&self.world.rows, move || store.claim_unconfirmed(now)).await {
            Ok(Some(open)) => open,
            Ok(None) => return Step::Idle,
            Err(error) => {
                Fault::new(error);
                return Step::Idle;
            }
        };
        let id = open.id;
        let fate = self.world.outside.sms.fate(&open.to, &open.remote, &id.to_string(), open.sent_at, now).await;
        let late = now - open.sent_at > FATE_KNOWN_FOR;
        let what = match fate {
            Ok(Some(Fate::Arrived)) => Delivery::Arrived,
            Ok(Some(Fate::Failed(code))) => {
                tracing::warn!(notice = %id, code, "a text did not arrive");
                Delivery::Failed(code)
            }
            Ok(Some(Fate::Waiting) | None) | Err(_) if late => Delivery::Unknown,
            Ok(Some(Fate::Waiting) | None) => return Step::Worked,
            Err(error) => {
                tracing::warn!(notice = %id, %error, "the provider does not say how a text fared");
                return Step::Worked;
            }
        };
        let store = Arc::clone(&self.world.store);
        settled(run(&self.world.rows, move || store.notice_receipts(&[(id, None, what)]).map(|_| ())).await)
    }
}

impl Work for NotificationDispatcher {
    async fn step(self: Rc<Self>, desk: Desk) -> Step {
        let (store, now, by) = (Arc::clone(&self.world.store), self.world.clock.now(), self.channel);
        let due = match run(&self.world.rows, move || store.claim_notice(by, now)).await {
            Ok(Some(due)) => due,
            Ok(None) if by == Channel::Sms => return self.ask(now).await,
            Ok(None) => return Step::Idle,
            Err(error) => {
                Fault::new(error);
                return Step::Idle;
            }
        };
        desk.take_up(Task::new(Queue::Notice, due.notice.id));
        self.world.pass("notice-claimed").await;
        let outcome = self.send(&due.notice, due.tries, now).await;
        self.world.pass("notice-sent").await;
        let (store, id, kind) = (Arc::clone(&self.world.store), due.notice.id, due.notice.kind.code());
        let tries = due.tries;
        let written = run(&self.world.rows, move || match outcome {
            Outcome::Sent(remote) => {
                tracing::info!(notice = %id, kind, "notice sent");
                store.notice_sent(&due.notice, &remote, now)
            }
            Outcome::Failed(why) => {
                tracing::error!(notice = %id, kind, why, "notice refused for good");
                store.notice_failed(id, &why)
            }
            Outcome::Parked(why) => {
                tracing::error!(notice = %id, kind, why, "notice waits for an operator");
                store.notice_parked(&due.notice, &why, now)
            }
            Outcome::Again(why) => {
                tracing::warn!(notice = %id, kind, why, tries, "notice will be tried again");
                let minutes = 1_i64 << tries.clamp(0, 7);
                store.notice_again(id, &why, now + TimeDelta::minutes(minutes))
            }
        })
        .await;
        if let Err(error) = written {
            Fault::new(error);
        }
        Step::Worked
    }
}
