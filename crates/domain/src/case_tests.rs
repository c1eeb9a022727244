//! The life of a case, decided without a database.

use std::sync::Arc;

use chrono::{DateTime, TimeZone, Utc};

use crate::Rejection;
use crate::applicant::{Account, Applicant};
use crate::application::Application;
use crate::calendar::Calendar;
use crate::case::Outcome;
use crate::command::Command;
use crate::decision::{Decide, OfficerAct, Seen};
use crate::document_number::DocumentType;
use crate::effects::{Channel, Effects, Moment};
use crate::experience::{Experience, Remark, remarks};
use crate::ids::{ApplicantId, StaffId};
use crate::person::{Gender, Language};
use crate::staff::{Officer, Role};
use crate::steps::StepName;
use crate::submission::KeepUnfinished;

pub(crate) fn now() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 24, 2, 0, 0).unwrap()
}

pub(crate) fn applicant(application: Application) -> Applicant {
    let account = Account {
        user_name: "RZ00000001".into(),
        name: "样张三".into(),
        nationality: "CN".into(),
        gender: Gender::Male,
        document_type: DocumentType::CnId,
        document_number: "110101199003070011".into(),
        valid_from: "2020-01-01".parse().unwrap(),
        valid_to: None,
        phone: "13800138000".into(),
        email: "yang@example.com".into(),
        verified: vec![Channel::Sms],
        language: Language::Chinese,
        terms: "2026-11".into(),
        real_name_confirmed: true,
        registered_at: now(),
    };
    Applicant {
        id: ApplicantId::fresh(),
        version: 1,
        account: Arc::new(account),
        password_hash: String::new(),
        applications: vec![Arc::new(application)],
    }
}

/// Decides a command and keeps what it changed.
pub(crate) fn decide<C: Command>(
    applicant: &mut Applicant,
    command: &C,
    at: DateTime<Utc>,
) -> Result<(C::Done, Effects), Rejection> {
    let calendar = Calendar::embedded();
    let mut effects = Effects::default();
    let done = command.decide(applicant, &Moment { now: at, calendar: &calendar }, &mut effects)?;
    Ok((done, effects))
}

pub(crate) fn officer(roles: &[Role]) -> Officer {
    Officer { id: StaffId::fresh(), name: "官员".into(), roles: roles.to_vec() }
}

#[test]
fn r6_3_whoever_proposes_does_not_approve() {
    let mut draft = Application::begin(now());
    draft.submitted_at = Some(now());
    draft.paid_at = Some(now());
    draft.accepted_at = Some(now());
    let mut applicant = applicant(draft);
    let both = officer(&[Role::Evaluator, Role::Approver]);
    let id = applicant.applications[0].id;
    let mut act = |officer: &Officer, act: OfficerAct| {
        let seen = Seen::of(&applicant.applications[0]);
        decide(&mut applicant, &Decide { application: id, officer: officer.clone(), act, seen }, now()).map(|_| ())
    };
    let propose = OfficerAct::Propose { outcome: Outcome::Certificate, reason: None, note: String::new() };
    assert_eq!(act(&both, propose), Ok(()));
    assert_eq!(act(&both, OfficerAct::Approve), Err(Rejection::OwnProposal));
    assert_eq!(act(&officer(&[Role::Approver]), OfficerAct::Approve), Ok(()));
}

#[test]
fn r2_13_a_step_with_unfinished_words_is_not_done() {
    let mut draft = Application::begin(now());
    draft.basic = [("birthplace".to_owned(), "样例市".to_owned())].into();
    let mut applicant = applicant(draft);
    let application = applicant.applications[0].id;
    let today = now().date_naive();
    assert!(applicant.applications[0].is_done(StepName::Basic, "CN", today));
    let raw = [("birthplace".to_owned(), "长".repeat(5_000))].into();
    decide(&mut applicant, &KeepUnfinished { application, step: StepName::Basic, raw }, now()).unwrap();
    let draft = &applicant.applications[0];
    assert!(!draft.is_done(StepName::Basic, "CN", today));
    assert_eq!(draft.unfinished["basic"]["birthplace"].chars().count(), 5_000, "nothing typed is dropped");
}

#[test]
fn r2_7_a_short_row_within_a_long_one_makes_no_gap() {
    let row = |id, start: &str, end: &str| Experience {
        id,
        answers: [("study_start".to_owned(), start.to_owned()), ("study_end".to_owned(), end.to_owned())].into(),
        from_credential: false,
    };
    let rows = [row(1, "2010-09", "2018-06"), row(2, "2011-09", "2012-01"), row(3, "2018-09", "2020-06")];
    assert!(!remarks(&rows).iter().any(|remark| matches!(remark, Remark::Gap { .. })));
    let apart = [row(1, "2010-09", "2012-06"), row(2, "2014-09", "2016-06")];
    assert!(matches!(remarks(&apart)[..], [Remark::Gap { .. }]));
}
