//! Supplements, holds, expected dates and reviews, decided without a database.

use chrono::{DateTime, Days, Months, NaiveDate, TimeDelta, Utc};
use proptest::prelude::*;

use crate::Rejection;
use crate::applicant::Applicant;
use crate::application::Application;
use crate::attachment::{AttachmentChange, ChangeAttachments};
use crate::calendar::{Calendar, today};
use crate::case::{Decision, Mover, Outcome, Proposal, Stage};
use crate::case_tests::{applicant, decide, now, officer};
use crate::casework::{CaseAct, HOLD_REASONS, LookAtCase, WorkCase};
use crate::certificate::Standing;
use crate::decision::{Decide, OfficerAct, Seen};
use crate::effects::{Effects, NoticeKind};
use crate::ids::{MaterialId, StaffId};
use crate::material::{Look, Material, Purpose, Verdict};
use crate::payment::{Attempt, AttemptState};
use crate::refund::{AskRefund, card_takes_it, may_ask};
use crate::review::{AskReview, BeginReview, DecideReview, ReviewAct, WriteReview, may_review};
use crate::staff::{Act, Officer, Role};
use crate::supplement::{AskSupplement, HandleSupplement, How, SendSupplement, SupplementAct};

fn paid() -> Applicant {
    let mut draft = Application::begin(now());
    draft.number = Some("RZ20260000001".into());
    draft.submitted_at = Some(now());
    draft.paid_at = Some(now());
    let mut attempt = Attempt::open(crate::money::FEE, now());
    attempt.state = AttemptState::Paid;
    attempt.settled_at = Some(now());
    draft.attempts.push(attempt);
    applicant(draft)
}

fn decided(outcome: Outcome, reason: Option<&str>) -> (Applicant, [StaffId; 2]) {
    let mut who = paid();
    let (first, second) = (StaffId::fresh(), StaffId::fresh());
    let proposal = Proposal { outcome, reason: reason.map(str::to_owned), note: String::new(), by: first, at: now() };
    let id = who.applications[0].id;
    let case = who.application_mut(id).unwrap();
    case.accepted_at = Some(now());
    case.decision = Some(Decision { proposal, by: second, at: now() });
    case.certificates.push(crate::certificate::Certificate {
        id: crate::ids::CertificateId::fresh(),
        number: Some("RC202600000001".into()),
        token: "t".into(),
        outcome,
        standing: Standing::Valid,
        issued_at: now(),
        document: None,
        revoked_for: None,
    });
    (who, [first, second])
}

fn seen(who: &Applicant) -> Seen {
    Seen::of(&who.applications[0])
}

fn ask(who: &mut Applicant, by: &Officer, at: DateTime<Utc>, until: NaiveDate) -> Result<Effects, Rejection> {
    let application = who.applications[0].id;
    let (slots, reason, note) = (vec!["transcript".to_owned()], "missing".to_owned(), "请补成绩单".to_owned());
    let seen = seen(who);
    let command = AskSupplement { application, officer: by.clone(), slots, reason, note, until: Some(until), seen };
    decide(who, &command, at).map(|(_, effects)| effects)
}

fn image(slot: &str, original: &str) -> Material {
    Material {
        id: MaterialId::fresh(),
        slot: slot.into(),
        purpose: Purpose::Application,
        place: 0,
        file_name: "样例.jpg".into(),
        size: 1_000,
        original: original.into(),
        turns: 0,
        verdict: Verdict::Good {
            width: 10,
            height: 10,
            shown: format!("shown-{original}"),
            look: Look::default(),
            advice: vec![],
        },
        received_at: now(),
    }
}

fn kinds(effects: &Effects) -> Vec<NoticeKind> {
    let mut kinds: Vec<NoticeKind> = effects.notices.iter().map(|notice| notice.kind).collect();
    kinds.dedup();
    kinds
}

fn accept(who: &mut Applicant, at: DateTime<Utc>) {
    let (application, seen) = (who.applications[0].id, seen(who));
    let officer = officer(&[Role::Intake]);
    decide(who, &Decide { application, officer, act: OfficerAct::Accept { second: false }, seen }, at).unwrap();
}

/// Who, when, and what they find.
fn evaluate(who: &mut Applicant, by: &Officer, outcome: Outcome, at: DateTime<Utc>) -> Result<(), Rejection> {
    let (application, seen) = (who.applications[0].id, seen(who));
    let reason = (outcome != Outcome::Certificate).then(|| crate::case::REASONS[0].to_owned());
    let act = OfficerAct::Propose { outcome, reason, note: String::new() };
    decide(who, &Decide { application, officer: by.clone(), act, seen }, at).map(|_| ())
}

#[test]
fn r6_5_a_pair_of_evaluations_is_of_one_file_and_whoever_made_one_decides_nothing() {
    let mut who = paid();
    let (application, seen_now) = (who.applications[0].id, seen(&who));
    let intake = officer(&[Role::Intake]);
    let act = OfficerAct::Accept { second: true };
    decide(&mut who, &Decide { application, officer: intake, act, seen: seen_now }, now()).unwrap();
    let all = [Role::Evaluator, Role::Approver, Role::Intake];
    let (one, two, chief) = (officer(&all), officer(&all), officer(&[Role::Approver]));
    let hour = |n| now() + TimeDelta::hours(n);
    evaluate(&mut who, &one, Outcome::Deferral, hour(1)).unwrap();
    assert!(crate::second::waits(&who.applications[0], one.id));
    assert_eq!(evaluate(&mut who, &one, Outcome::Certificate, hour(2)), Err(Rejection::OwnProposal));
    // Further materials come: the first evaluation was of another file.
    ask(&mut who, &two, hour(3), today(now()) + Days::new(30)).unwrap();
    let supplement = who.applications[0].casework.supplement().unwrap().id;
    let purpose = Purpose::Supplement(supplement);
    let change = AttachmentChange::Add(image("transcript", "a"));
    decide(&mut who, &ChangeAttachments { application, purpose, change }, hour(4)).unwrap();
    decide(&mut who, &SendSupplement { application, supplement }, hour(5)).unwrap();
    assert!(!crate::second::waits(&who.applications[0], one.id));
    evaluate(&mut who, &one, Outcome::Certificate, hour(6)).unwrap();
    assert_eq!(who.applications[0].stage(), Stage::Assessing, "one of two");
    evaluate(&mut who, &two, Outcome::Certificate, hour(7)).unwrap();
    let pair = who.applications[0].casework.second.clone().unwrap();
    assert!(pair.agrees() && who.applications[0].stage() == Stage::Proposed);
    // Neither of the two approves, and neither would review the result.
    for evaluator in [&one, &two] {
        let (seen, officer) = (seen(&who), evaluator.clone());
        let approve = Decide { application, officer, act: OfficerAct::Approve, seen };
        assert_eq!(decide(&mut who, &approve, hour(8)).map(|_| ()), Err(Rejection::OwnProposal));
        assert!(crate::review::bars(&who.applications[0], evaluator.id));
    }
    assert!(!crate::review::bars(&who.applications[0], chief.id));
}

#[test]
fn r6_5_an_approver_lets_a_case_go_on_that_nobody_evaluates_a_second_time() {
    let mut who = paid();
    let (application, seen_now) = (who.applications[0].id, seen(&who));
    let act = OfficerAct::Accept { second: true };
    decide(&mut who, &Decide { application, officer: officer(&[Role::Intake]), act, seen: seen_now }, now()).unwrap();
    let one = officer(&[Role::Evaluator]);
    evaluate(&mut who, &one, Outcome::Certificate, now() + TimeDelta::hours(1)).unwrap();
    let mut waive = |by: &Officer| {
        let (seen, officer) = (seen(&who), by.clone());
        let waive = Decide { application, officer, act: OfficerAct::WaiveSecond, seen };
        decide(&mut who, &waive, now() + TimeDelta::hours(2)).map(|_| ())
    };
    assert_eq!(waive(&one), Err(Rejection::NotAllowed));
    waive(&officer(&[Role::Approver])).unwrap();
    assert!(waive(&officer(&[Role::Approver])).is_err(), "once");
    let case = &who.applications[0];
    assert_eq!((case.stage(), case.proposal.as_ref().map(|it| it.by)), (Stage::Proposed, Some(one.id)));
    assert!(case.casework.second.is_none() && !crate::second::is_drawn(99, 99) && crate::second::is_drawn(99, 100));
}

#[test]
fn r2_14_r2_15_the_clock_stops_while_materials_are_waited_for_and_goes_on_after() {
    let mut who = paid();
    let calendar = Calendar::embedded();
    let intake = officer(&[Role::Intake, Role::Evaluator]);
    accept(&mut who, now());
    let first = who.applications[0].expected(&calendar, today(now())).unwrap().date;
    let asked_at = now() + TimeDelta::days(2);
    let effects = ask(&mut who, &intake, asked_at, today(asked_at) + Days::new(30)).unwrap();
    assert_eq!(kinds(&effects), [NoticeKind::SupplementAsked]);
    let case = &who.applications[0];
    assert_eq!((case.stage(), case.mover()), (Stage::Supplement, Mover::Applicant));
    let (application, supplement) = (case.id, case.casework.supplement().unwrap().id);
    // Nothing is there yet; something else than what was asked for is no help.
    let send = SendSupplement { application, supplement };
    assert!(matches!(decide(&mut who, &send, asked_at), Err(Rejection::Form(_))));
    let purpose = Purpose::Supplement(supplement);
    let add = |slot: &str, original: &str| ChangeAttachments {
        application,
        purpose,
        change: AttachmentChange::Add(image(slot, original)),
    };
    assert_eq!(decide(&mut who, &add("photo", "a"), asked_at).map(|_| ()), Err(Rejection::NotFound));
    decide(&mut who, &add("transcript", "a"), asked_at).unwrap();
    assert!(matches!(decide(&mut who, &add("transcript", "a"), asked_at), Err(Rejection::Form(_))), "the same twice");
    let back_at = asked_at + TimeDelta::days(7);
    let (_, effects) = decide(&mut who, &send, back_at).unwrap();
    assert!(kinds(&effects).contains(&NoticeKind::SupplementArrived));
    assert!(kinds(&effects).contains(&NoticeKind::ExpectedChanged));
    decide(&mut who, &send, back_at).unwrap();
    let case = &who.applications[0];
    assert_eq!(case.stage(), Stage::Assessing);
    // Five working days lay in between.
    let moved = case.expected(&calendar, today(back_at)).unwrap().date;
    assert_eq!(calendar.count(first, moved), 5);
    let log = &case.casework.expected;
    assert_eq!((log.len(), log[0].due.date, log[1].due.date, log[1].cause.as_str()), (2, first, moved, "supplement"));
    // What was sent is frozen.
    assert_eq!(
        decide(&mut who, &add("transcript", "b"), back_at).map(|_| ()),
        Err(Rejection::NotNow("supplement-ended"))
    );
}

#[test]
fn r2_15_a_deadline_is_reminded_of_and_when_it_has_passed_an_officer_decides() {
    let mut who = paid();
    let intake = officer(&[Role::Intake]);
    let until = today(now()) + Days::new(10);
    assert!(matches!(ask(&mut who, &intake, now(), today(now())), Err(Rejection::Form(_))), "too soon");
    ask(&mut who, &intake, now(), until).unwrap();
    let application = who.applications[0].id;
    let look = LookAtCase { application };
    let mut at = |days: i64| {
        let at = now() + TimeDelta::days(days);
        let (_, effects) = decide(&mut who, &look, at).unwrap();
        // The clerk never comes back at once: it would never do anything else.
        assert!(who.applications[0].casework.look_at.is_none_or(|look| look > at), "day {days}");
        kinds(&effects)
    };
    assert_eq!(at(1), []);
    assert_eq!(at(4), [NoticeKind::SupplementReminder], "a week before");
    assert_eq!(at(4), [], "once");
    assert_eq!(at(9), [NoticeKind::SupplementReminder], "the day before");
    assert_eq!(at(10), []);
    assert_eq!(at(11), [NoticeKind::SupplementExpired]);
    assert_eq!(at(12), []);
    let case = &who.applications[0];
    assert_eq!((case.stage(), case.mover()), (Stage::Supplement, Mover::Officer), "the machine decides nothing");
    // Without acceptance there is a refund all the same; and an officer goes on, or gives more time.
    assert!(may_ask(case).is_ok());
    let handle = |who: &Applicant, act| HandleSupplement {
        application,
        officer: intake.clone(),
        act,
        seen: Seen::of(&who.applications[0]),
    };
    let late = now() + TimeDelta::days(12);
    let more = handle(&who, SupplementAct::Extend(Some(today(late) + Days::new(20))));
    decide(&mut who, &more, late).unwrap();
    assert_eq!(who.applications[0].mover(), Mover::Applicant);
    let stale = more;
    assert_eq!(decide(&mut who, &stale, late).map(|_| ()), Err(Rejection::Stale));
    let nothing = handle(&who, SupplementAct::GoOn(" ".into()));
    assert!(matches!(decide(&mut who, &nothing, late), Err(Rejection::Form(_))));
    let on = handle(&who, SupplementAct::GoOn("窗口已核对".into()));
    decide(&mut who, &on, late).unwrap();
    let case = &who.applications[0];
    assert_eq!(case.stage(), Stage::Screening);
    assert!(matches!(case.casework.supplements[0].ended, Some((_, How::Without { .. }))));
}

#[test]
fn r2_15_a_supplement_of_a_case_that_was_withdrawn_meanwhile_is_not_taken() {
    let mut who = paid();
    ask(&mut who, &officer(&[Role::Intake]), now(), today(now()) + Days::new(10)).unwrap();
    let (application, supplement) = (who.applications[0].id, who.applications[0].casework.supplement().unwrap().id);
    let refund =
        AskRefund { application, reason: "no-need".into(), words: String::new(), bank: None, understood: true };
    decide(&mut who, &refund, now()).unwrap();
    assert_eq!(who.applications[0].stage(), Stage::Withdrawn);
    let send = SendSupplement { application, supplement };
    assert_eq!(decide(&mut who, &send, now()).map(|_| ()), Err(Rejection::NotNow("withdrawn")));
    // And the clerk tells nobody anything any more.
    let (_, effects) = decide(&mut who, &LookAtCase { application }, now() + TimeDelta::days(60)).unwrap();
    assert_eq!(kinds(&effects), []);
}

#[test]
fn r6_2_a_case_is_claimed_by_one_and_a_hold_wakes_by_itself() {
    let mut who = paid();
    let application = who.applications[0].id;
    let (one, other) = (officer(&[Role::Evaluator]), officer(&[Role::Evaluator]));
    let act = |who: &mut Applicant, officer: &Officer, act: CaseAct, at: DateTime<Utc>| {
        let seen = Seen::of(&who.applications[0]);
        decide(who, &WorkCase { application, officer: officer.clone(), act, seen }, at).map(|(_, effects)| effects)
    };
    act(&mut who, &one, CaseAct::Claim, now()).unwrap();
    act(&mut who, &one, CaseAct::Claim, now()).unwrap();
    assert_eq!(act(&mut who, &other, CaseAct::Claim, now()).map(|_| ()), Err(Rejection::NotNow("claimed")));
    assert_eq!(act(&mut who, &other, CaseAct::Release, now()).map(|_| ()), Err(Rejection::NotNow("claimed")));
    let until = today(now()) + Days::new(3);
    let hold = CaseAct::Hold { reason: HOLD_REASONS[0].into(), until: Some(until) };
    assert_eq!(kinds(&act(&mut who, &one, hold, now()).unwrap()), [NoticeKind::Held]);
    let look = LookAtCase { application };
    assert_eq!(kinds(&decide(&mut who, &look, now() + TimeDelta::days(2)).unwrap().1), []);
    assert!(who.applications[0].casework.hold().is_some());
    assert_eq!(kinds(&decide(&mut who, &look, now() + TimeDelta::days(3)).unwrap().1), [NoticeKind::Resumed]);
    assert!(who.applications[0].casework.hold().is_none());
    let long = CaseAct::Hold { reason: "other".into(), until: Some(today(now()) + Days::new(400)) };
    assert!(matches!(act(&mut who, &one, long, now()), Err(Rejection::Form(_))));
}

#[test]
fn r2_14_an_expected_date_that_has_passed_is_told_once_and_enhanced_review_moves_it() {
    let mut who = paid();
    accept(&mut who, now());
    let application = who.applications[0].id;
    let calendar = Calendar::embedded();
    let due = who.applications[0].expected(&calendar, today(now())).unwrap().date;
    let look = LookAtCase { application };
    let on = |day: NaiveDate| day.and_hms_opt(4, 0, 0).unwrap().and_utc();
    assert!(!decide(&mut who, &look, on(due)).unwrap().0);
    let (late, effects) = decide(&mut who, &look, on(due + Days::new(1))).unwrap();
    assert!(late && kinds(&effects) == [NoticeKind::Overdue]);
    assert!(!decide(&mut who, &look, on(due + Days::new(2))).unwrap().0);
    let evaluator = officer(&[Role::Evaluator]);
    let enhance = WorkCase { application, officer: evaluator, act: CaseAct::Enhance(true), seen: seen(&who) };
    let (_, effects) = decide(&mut who, &enhance, on(due + Days::new(2))).unwrap();
    assert_eq!(kinds(&effects), [NoticeKind::ExpectedChanged]);
    let moved = who.applications[0].casework.expected.last().unwrap();
    assert_eq!((moved.cause.as_str(), moved.due), ("enhanced", calendar.add(today(now()), 60)));
}

#[test]
fn r4_1_a_review_can_be_asked_for_within_a_year() {
    let (who, _) = decided(Outcome::Deferral, Some("cannot-verify"));
    let case = &who.applications[0];
    let last = today(now()).checked_add_months(Months::new(12)).unwrap();
    let at = |day: NaiveDate| day.and_hms_opt(10, 0, 0).unwrap().and_utc();
    assert!(may_review(case, at(last)).is_ok());
    // Day 366.
    assert_eq!(may_review(case, at(last + Days::new(1))).map(|_| ()), Err("review-late"));
    assert_eq!(may_review(&paid().applications[0], now()).map(|_| ()), Err("review-no-result"));
}

#[test]
fn r5_2_a_refund_ends_the_case_and_is_not_asked_for_by_who_does_not_know_it() {
    let (mut who, _) = decided(Outcome::Deferral, Some("cannot-verify"));
    let application = who.applications[0].id;
    let refund =
        |understood| AskRefund { application, reason: "no-need".into(), words: String::new(), bank: None, understood };
    assert!(decide(&mut who, &refund(false), now()).is_err(), "nothing was ticked");
    assert!(may_review(&who.applications[0], now()).is_ok(), "so nothing was asked for");
    decide(&mut who, &refund(true), now()).unwrap();
    assert_eq!(may_review(&who.applications[0], now()).map(|_| ()), Err("review-refund"));
}

fn open_review(who: &mut Applicant) {
    let application = who.applications[0].id;
    decide(who, &BeginReview { application }, now()).unwrap();
    let (reason, words) = ("new-material".to_owned(), "有新的成绩单".to_owned());
    decide(who, &WriteReview { application, reason, words, later: false }, now()).unwrap();
    decide(who, &AskReview { application, understood: true }, now()).unwrap();
}

#[test]
fn r4_2_r5_2_while_a_review_is_open_there_is_no_refund_and_afterwards_only_if_the_result_allows_it() {
    let (mut who, [first, second]) = decided(Outcome::Deferral, Some("cannot-verify"));
    let application = who.applications[0].id;
    assert!(may_ask(&who.applications[0]).is_ok());
    let empty = |later| WriteReview { application, reason: String::new(), words: String::new(), later };
    decide(&mut who, &BeginReview { application }, now()).unwrap();
    // A draft of a review hinders nobody.
    assert!(may_ask(&who.applications[0]).is_ok());
    assert!(matches!(decide(&mut who, &empty(false), now()), Err(Rejection::Form(errors)) if errors.len() == 2));
    decide(&mut who, &empty(true), now()).unwrap();
    let unwritten = AskReview { application, understood: true };
    assert_eq!(decide(&mut who, &unwritten, now()).map(|_| ()), Err(Rejection::NotNow("review-unwritten")));
    open_review(&mut who);
    assert_eq!(who.applications[0].stage(), Stage::Reviewing);
    assert_eq!(may_ask(&who.applications[0]).map(|_| ()), Err("refund-review"));
    let refund =
        AskRefund { application, reason: "no-need".into(), words: String::new(), bank: None, understood: true };
    assert_eq!(decide(&mut who, &refund, now()).map(|_| ()), Err(Rejection::NotNow("refund-review")));
    // Not by those who decided; and not approved by whoever proposes.
    let act = |who: &mut Applicant, id: StaffId, act: ReviewAct| {
        let officer = Officer { id, ..officer(&[Role::Evaluator, Role::Approver]) };
        let seen = Seen::of(&who.applications[0]);
        decide(who, &DecideReview { application, officer, act, seen }, now()).map(|(issues, _)| issues)
    };
    let uphold = || ReviewAct::Uphold { note: "维持".into() };
    assert_eq!(act(&mut who, first, uphold()), Err(Rejection::OwnDecision));
    assert_eq!(act(&mut who, second, uphold()), Err(Rejection::OwnDecision));
    let (third, fourth) = (StaffId::fresh(), StaffId::fresh());
    act(&mut who, third, uphold()).unwrap();
    assert_eq!(act(&mut who, third, ReviewAct::Approve), Err(Rejection::OwnProposal));
    assert_eq!(may_ask(&who.applications[0]).map(|_| ()), Err("refund-review"));
    assert_eq!(act(&mut who, fourth, ReviewAct::Approve), Ok(false));
    assert_eq!(who.applications[0].stage(), Stage::Decided);
    assert!(may_ask(&who.applications[0]).is_ok(), "the deferral stands, and allows it");
    assert_eq!(may_review(&who.applications[0], now()).map(|_| ()), Err("review-done"));
}

#[test]
fn r4_5_a_revised_result_supersedes_the_old_document_at_once() {
    let (mut who, _) = decided(Outcome::Refusal, Some("cannot-verify"));
    open_review(&mut who);
    let application = who.applications[0].id;
    let act = |who: &mut Applicant, id: StaffId, act: ReviewAct| {
        let officer = Officer { id, ..officer(&[Role::Evaluator, Role::Approver]) };
        let seen = Seen::of(&who.applications[0]);
        decide(who, &DecideReview { application, officer, act, seen }, now()).map(|(issues, _)| issues)
    };
    let revise = |outcome| ReviewAct::Revise { outcome, reason: None, note: "新材料可证".into() };
    let (third, fourth) = (StaffId::fresh(), StaffId::fresh());
    assert!(matches!(act(&mut who, third, revise(None)), Err(Rejection::Form(_))));
    assert!(matches!(act(&mut who, third, revise(Some(Outcome::Deferral))), Err(Rejection::Form(_))), "a reason");
    act(&mut who, third, revise(Some(Outcome::Certificate))).unwrap();
    act(&mut who, fourth, ReviewAct::SendBack { note: "请再核对".into() }).unwrap();
    assert_eq!(who.applications[0].stage(), Stage::Reviewing);
    act(&mut who, third, revise(Some(Outcome::Certificate))).unwrap();
    assert_eq!(act(&mut who, fourth, ReviewAct::Approve), Ok(true));
    let case = &who.applications[0];
    let standings: Vec<Standing> = case.certificates.iter().map(|issued| issued.standing).collect();
    assert_eq!(standings, [Standing::Superseded, Standing::Valid]);
    assert_eq!(case.decision.as_ref().unwrap().proposal.outcome, Outcome::Certificate);
    assert_eq!(may_ask(case).map(|_| ()), Err("refund-certificate"));
}

#[test]
fn r4_4_what_the_case_has_already_is_known_by_its_content_turned_or_saved_anew() {
    let mut cells = Vec::new();
    for row in 0..16_u32 {
        for column in 0..16_u32 {
            cells.push(u8::try_from((row * 13 + column * 3 + row * column) % 200 + 20).unwrap());
        }
    }
    let turn = |cells: &[u8]| -> Vec<u8> { (0..256).map(|at| cells[(15 - at % 16) * 16 + at / 16]).collect() };
    let turned = turn(&cells);
    let resaved: Vec<u8> = turned.iter().enumerate().map(|(at, cell)| cell + u8::from(at % 3 == 0)).collect();
    let look = Look::of(&cells);
    assert!(look.is_same(&look) && look.is_same(&Look::of(&turned)) && look.is_same(&Look::of(&resaved)));
    assert!(look.is_same(&Look::of(&turn(&turn(&turned)))));
    let other: Vec<u8> = cells.iter().map(|cell| 255 - cell).collect();
    assert!(!look.is_same(&Look::of(&other)));
    // Empty pages are all alike, and none of them is known by that.
    assert!(!Look::of(&[250; 256]).is_same(&Look::of(&[250; 256])));
    assert!(!Look::default().is_same(&look) && !look.is_same(&Look("zz".into())));
    // The bytes of our own copy are known too.
    let mine = image("certificate", "a");
    assert!(mine.is_copy(&image("review", "a")) && mine.is_copy(&image("review", "shown-a")));
    assert!(!mine.is_copy(&image("review", "b")));
}

#[test]
fn r6_1_each_role_includes_its_acts_and_no_other() {
    use Act::*;
    let table: [(Role, &[Act]); 7] = [
        (Role::Intake, &[ViewCases, Accept, Correspond]),
        (Role::Evaluator, &[ViewCases, Correspond, Propose]),
        (Role::Approver, &[ViewCases, Approve, ViewNumbers]),
        (Role::Finance, &[HandleMoney]),
        (Role::Registrar, &[KeepProgrammes]),
        (Role::Administrator, &[ViewNumbers, Administer]),
        (Role::Operator, &[ViewMachinery, SteerMachinery]),
    ];
    assert_eq!(table.len(), Role::ALL.len());
    for (role, included) in table {
        for act in Act::ALL {
            assert_eq!(officer(&[role]).may(act), included.contains(&act), "{role:?} × {act:?}");
        }
    }
}

fn days() -> impl Strategy<Value = NaiveDate> {
    (0..3_000_u64).prop_map(|days| NaiveDate::from_ymd_opt(2019, 1, 1).unwrap() + Days::new(days))
}

proptest! {
    /// Ten months after a payment, over month ends and leap years: the last day counts, the next does not.
    #[test]
    fn r5_3_ten_months_are_calendar_months(paid in days(), hour in 0..24_u32) {
        let at = |day: NaiveDate, hour: u32| crate::calendar::midnight(day) + TimeDelta::hours(i64::from(hour));
        let last = paid.checked_add_months(Months::new(10)).unwrap();
        prop_assert!(card_takes_it(at(paid, hour), at(last, 23)));
        prop_assert!(!card_takes_it(at(paid, hour), at(last + Days::new(1), 0)));
        // Never fewer than 303 days, never more than 306.
        let span = (last - paid).num_days();
        prop_assert!((301..=306).contains(&span), "{span}");
    }

    /// A year after a result, 29 February included.
    #[test]
    fn r4_1_one_year_is_a_calendar_year(day in days(), hour in 0..24_u32) {
        let (mut who, _) = decided(Outcome::Certificate, None);
        let id = who.applications[0].id;
        let at = |day: NaiveDate, hour: u32| crate::calendar::midnight(day) + TimeDelta::hours(i64::from(hour));
        who.application_mut(id).unwrap().decision.as_mut().unwrap().at = at(day, hour);
        let last = day.checked_add_months(Months::new(12)).unwrap();
        prop_assert!(may_review(&who.applications[0], at(last, 23)).is_ok());
        prop_assert!(may_review(&who.applications[0], at(last + Days::new(1), 0)).is_err());
        prop_assert!((365..=366).contains(&(last - day).num_days()));
    }

    /// The n-th working day after a day has n working days behind it, and is one.
    #[test]
    fn r2_14_working_days_are_counted_and_added_alike(day in days(), count in 1..80_u32) {
        let calendar = Calendar::embedded();
        let due = calendar.add(day, count).date;
        prop_assert!(calendar.is_working(due));
        prop_assert_eq!(calendar.count(day, due), count);
    }
}

#[test]
fn r5_4_an_older_answer_of_the_bank_read_twice_pays_nobody() {
    use crate::ids::BatchId;
    use crate::refund::{BankDetails, MoveTransfer, RefundState, TransferStep};
    let mut who = paid();
    let application = who.applications[0].id;
    let ask = AskRefund { application, reason: "no-need".into(), words: String::new(), bank: None, understood: true };
    let (refund, _) = decide(&mut who, &ask, now()).unwrap();
    let case = who.application_mut(application).unwrap();
    case.refunds[0].state = RefundState::Approved;
    case.refunds[0].bank = Some(BankDetails {
        card: "6216261000000000018".into(),
        bank: "样例银行".into(),
        branch: "102100099996".into(),
        holder: "样张三".into(),
    });
    let batch = BatchId::fresh();
    let mut step = |step| {
        let answer = String::new();
        let moved = MoveTransfer { application, refund, batch, step, answer };
        decide(&mut who, &moved, now()).map(|(state, effects)| (state, effects.movements.len()))
    };
    step(TransferStep::Put).unwrap();
    step(TransferStep::Released).unwrap();
    assert_eq!(step(TransferStep::PaidOut), Ok((RefundState::Arrived, 1)));
    assert_eq!(step(TransferStep::SentBack), Ok((RefundState::SentBack, 1)));
    assert_eq!(step(TransferStep::PaidOut), Ok((RefundState::SentBack, 0)), "the first answer, once more");
}

#[test]
fn r2_15_a_case_that_resumes_after_a_refused_refund_is_looked_at_again() {
    use crate::refund::{FinanceAct, HandleRefund, RefundState};
    let mut who = paid();
    let until = today(now()) + Days::new(10);
    ask(&mut who, &officer(&[Role::Intake]), now(), until).unwrap();
    let application = who.applications[0].id;
    let wish = AskRefund { application, reason: "no-need".into(), words: String::new(), bank: None, understood: true };
    let (refund, _) = decide(&mut who, &wish, now()).unwrap();
    decide(&mut who, &LookAtCase { application }, now() + TimeDelta::days(4)).unwrap();
    assert!(who.applications[0].casework.look_at.is_none(), "withdrawn, there is nothing to look at");
    let officer = officer(&[Role::Finance]);
    let (act, seen) = (FinanceAct::Refuse("不符合".into()), RefundState::Asked);
    decide(&mut who, &HandleRefund { application, refund, officer, act, seen }, now() + TimeDelta::days(5)).unwrap();
    assert_eq!(who.applications[0].stage(), Stage::Supplement);
    assert!(who.applications[0].casework.look_at.is_some());
}

#[test]
fn r6_3_a_page_from_before_a_deadline_was_moved_decides_nothing() {
    let mut who = paid();
    let intake = officer(&[Role::Intake]);
    ask(&mut who, &intake, now(), today(now()) + Days::new(10)).unwrap();
    let application = who.applications[0].id;
    let older = seen(&who);
    let at = now() + TimeDelta::days(1);
    let more = SupplementAct::Extend(Some(today(at) + Days::new(60)));
    let of = |act, seen| HandleSupplement { application, officer: intake.clone(), act, seen };
    decide(&mut who, &of(more, older), at).unwrap();
    let on = SupplementAct::GoOn("不再等待".into());
    assert_eq!(decide(&mut who, &of(on, older), at).map(|_| ()), Err(Rejection::Stale));
}
