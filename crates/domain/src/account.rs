//! What an applicant may change of the account: phone, e-mail, password, language (R1.6). Nothing else.

use std::sync::Arc;

use crate::Rejection;
use crate::applicant::Applicant;
use crate::command::Command;
use crate::effects::{Actor, Channel, Effects, Moment, NoticeKind};
use crate::person::Language;

/// Sets a new password, already hashed; every log-in ends, and the applicant is told.
#[derive(Clone)]
pub struct SetPassword {
    /// Argon2id in PHC form.
    pub hash: String,
}

impl Command for SetPassword {
    type Done = ();

    fn decide(&self, applicant: &mut Applicant, _: &Moment<'_>, effects: &mut Effects) -> Result<(), Rejection> {
        applicant.password_hash.clone_from(&self.hash);
        effects.log_out = true;
        effects.audited(Actor::Applicant, "password-changed", format!("applicant:{}", applicant.id));
        effects.tell(&applicant.account, NoticeKind::PasswordChanged, &[]);
        Ok(())
    }
}

/// Sets a new phone number or e-mail address that has proven itself by a code; the old addresses are told.
#[derive(Clone)]
pub struct SetContact {
    /// Which of the two.
    pub channel: Channel,
    /// The checked value.
    pub to: String,
}

impl Command for SetContact {
    type Done = ();

    fn decide(&self, applicant: &mut Applicant, _: &Moment<'_>, effects: &mut Effects) -> Result<(), Rejection> {
        effects.tell(&applicant.account, NoticeKind::ContactChanged, &[]);
        let account = Arc::make_mut(&mut applicant.account);
        match self.channel {
            Channel::Sms => account.phone.clone_from(&self.to),
            Channel::Mail => account.email.clone_from(&self.to),
        }
        if !account.verified.contains(&self.channel) {
            account.verified.push(self.channel);
        }
        effects.audited(Actor::Applicant, "contact-changed", format!("applicant:{}", applicant.id));
        Ok(())
    }
}

/// Sets the language in which notices are written.
#[derive(Debug, Clone, Copy)]
pub struct SetLanguage {
    /// Which.
    pub language: Language,
}

impl Command for SetLanguage {
    type Done = ();

    fn decide(&self, applicant: &mut Applicant, _: &Moment<'_>, _: &mut Effects) -> Result<(), Rejection> {
        Arc::make_mut(&mut applicant.account).language = self.language;
        Ok(())
    }
}
