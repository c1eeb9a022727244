//! The applicant's commands, from a new draft to its submission (guide 二.3, steps 1 to 7).

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;

use crate::Rejection;
use crate::applicant::{Account, Applicant};
use crate::application::Application;
use crate::case::Stage;
use crate::command::Command;
use crate::effects::{Actor, Effects, Moment, NoticeKind};
use crate::experience::{self, Experience};
use crate::form::{self, Answers, FieldError, Raw};
use crate::ids::{ApplicationId, MaterialId};
use crate::material::{self, Material, Purpose, Table, Verdict};
use crate::steps::{self, ApplicationKind, StepName};

/// Most drafts that one applicant keeps at a time.
pub const DRAFTS_MOST: usize = 20;

/// What saving a step came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Saved {
    /// Steps that were done and are not any more, because they hung on what was changed.
    pub reopened: Vec<StepName>,
}

/// Changes a draft and tells which steps that reopened.
pub(crate) fn change_draft(
    applicant: &mut Applicant,
    id: ApplicationId,
    at: &Moment<'_>,
    change: impl FnOnce(&mut Application, &Account) -> Result<(), Rejection>,
) -> Result<Saved, Rejection> {
    let account = Arc::clone(&applicant.account);
    let application = applicant.application_mut(id)?;
    if application.stage() != Stage::Draft {
        return Err(Rejection::NotNow("submitted"));
    }
    let done = |application: &Application| -> Vec<StepName> {
        let is_done = |step: &StepName| application.is_done(*step, &account.nationality, at.today());
        StepName::ALL.into_iter().filter(is_done).collect()
    };
    let before = done(application);
    change(application, &account)?;
    application.changed_at = at.now;
    let after = done(application);
    Ok(Saved { reopened: before.into_iter().filter(|step| !after.contains(step)).collect() })
}

/// Refuses to overwrite answers that were changed since the page was made, unless they come to the same.
fn not_stale(stored: &Answers, seen: Option<&str>, wanted: &Answers) -> Result<(), Rejection> {
    match seen {
        Some(seen) if seen != form::fingerprint(stored) && stored != wanted => Err(Rejection::Stale),
        _ => Ok(()),
    }
}

/// 增添认证申请办理 (R2.2).
#[derive(Debug, Clone)]
pub struct BeginApplication {
    /// The form's own key: a form that is sent twice begins one application.
    pub id: ApplicationId,
    /// The table of materials as it now stands: the application keeps it.
    pub table: Arc<Table>,
}

impl Command for BeginApplication {
    type Done = ApplicationId;

    fn decide(
        &self,
        applicant: &mut Applicant,
        at: &Moment<'_>,
        effects: &mut Effects,
    ) -> Result<Self::Done, Rejection> {
        if applicant.application(self.id).is_ok() {
            return Ok(self.id);
        }
        let drafts = applicant.applications.iter().filter(|application| application.stage() == Stage::Draft).count();
        if drafts >= DRAFTS_MOST {
            return Err(Rejection::NotNow("too-many-drafts"));
        }
        let mut application = Application::begin(at.now);
        application.id = self.id;
        application.table_version = self.table.version;
        application.table = Arc::clone(&self.table);
        applicant.applications.push(Arc::new(application));
        effects.happened(self.id, "begun", Actor::Applicant, "");
        Ok(self.id)
    }
}

/// Deletes a draft.
#[derive(Debug, Clone)]
pub struct DeleteDraft {
    /// Which.
    pub application: ApplicationId,
}

impl Command for DeleteDraft {
    type Done = ();

    fn decide(&self, applicant: &mut Applicant, _: &Moment<'_>, effects: &mut Effects) -> Result<(), Rejection> {
        let draft = applicant.application(self.application)?;
        if draft.stage() != Stage::Draft {
            return Err(Rejection::NotNow("submitted"));
        }
        if !draft.attempts.is_empty() {
            // Money may still come for it, and must find where it belongs.
            return Err(Rejection::NotNow("payment-tried"));
        }
        applicant.applications.retain(|application| application.id != self.application);
        effects.audited(Actor::Applicant, "draft-deleted", format!("application:{}", self.application));
        Ok(())
    }
}

/// Saves step 2, 3 or 4.
#[derive(Debug, Clone)]
pub struct SaveStep {
    /// Of which application.
    pub application: ApplicationId,
    /// Which step.
    pub step: StepName,
    /// What was typed.
    pub raw: Raw,
    /// The fingerprint of what the page showed; none overwrites whatever is there.
    pub seen: Option<String>,
}

impl Command for SaveStep {
    type Done = Saved;

    fn decide(&self, applicant: &mut Applicant, at: &Moment<'_>, _: &mut Effects) -> Result<Saved, Rejection> {
        let seen = self.seen.as_deref();
        change_draft(applicant, self.application, at, |application, account| {
            application.unfinished.remove(self.step.slug());
            match self.step {
                StepName::Basic => {
                    let answers = form::check(&steps::BASIC, &self.raw, at.today()).map_err(Rejection::Form)?;
                    let born = account.birth_date(at.today());
                    if born.is_some() && born != form::date(&answers, "birth_date") {
                        return Err(Rejection::field("birth_date", "disagrees"));
                    }
                    not_stale(&application.basic, seen, &answers)?;
                    application.basic = answers;
                    Ok(())
                }
                StepName::Kind => {
                    let answers = form::check(&steps::KIND, &self.raw, at.today()).map_err(Rejection::Form)?;
                    let kind = ApplicationKind::from_code(form::text(&answers, "kind"));
                    not_stale(&kind_answers(application), seen, &answers)?;
                    application.kind = kind;
                    if kind != Some(ApplicationKind::Joint) {
                        application.joint = None;
                    }
                    Ok(())
                }
                StepName::Credential => {
                    let kind = application.kind.ok_or(Rejection::NotNow("kind-first"))?;
                    let mut raw = self.raw.clone();
                    application.fixed_by_programme(&mut raw);
                    let answers = steps::check_credential(kind, application.joint.as_ref(), &raw, at.today());
                    let answers = answers.map_err(Rejection::Form)?;
                    not_stale(&application.credential, seen, &answers)?;
                    application.credential = answers;
                    carry_credential(application);
                    Ok(())
                }
                _ => Err(Rejection::NotFound),
            }
        })
    }
}

/// 保存并稍后继续: keeps what was typed in a step, right or not (R2.13).
#[derive(Debug, Clone)]
pub struct KeepUnfinished {
    /// Of which application.
    pub application: ApplicationId,
    /// Which step.
    pub step: StepName,
    /// What was typed.
    pub raw: Raw,
}

impl Command for KeepUnfinished {
    type Done = Saved;

    fn decide(&self, applicant: &mut Applicant, at: &Moment<'_>, _: &mut Effects) -> Result<Saved, Rejection> {
        let known: &[form::Field] = match self.step {
            StepName::Basic => &steps::BASIC,
            StepName::Credential => &steps::CREDENTIAL,
            _ => return Err(Rejection::NotFound),
        };
        let raw = self.raw.iter().filter(|(name, _)| known.iter().any(|field| field.name == **name));
        let raw: Raw = raw.map(|(name, value)| (name.clone(), value.clone())).collect();
        change_draft(applicant, self.application, at, |application, _| {
            application.unfinished.insert(self.step.slug().into(), raw);
            Ok(())
        })
    }
}

/// Step 3 as answers, for its fingerprint and its page.
pub fn kind_answers(application: &Application) -> Answers {
    application.kind.map(|kind| ("kind".to_owned(), kind.code().to_owned())).into_iter().collect()
}

/// The credential of step 4 is a row of step 5 already (R2.7).
pub(crate) fn carry_credential(application: &mut Application) {
    let from = |name: &str| application.credential.get(name).cloned();
    let pairs = [
        ("study_level", from("level")),
        ("study_institution", from("institution")),
        ("study_country", from("country")),
        ("study_major", from("major")),
        ("study_start", from("start")),
        ("study_end", from("end")),
    ];
    let answers: Answers = pairs.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
    match application.experience.iter_mut().find(|row| row.from_credential) {
        Some(row) => row.answers = answers,
        None => {
            application.last_experience += 1;
            application.experience.push(Experience { id: application.last_experience, answers, from_credential: true });
        }
    }
    sort(application);
}

fn sort(application: &mut Application) {
    application.experience.sort_by_key(|row| (row.start(), row.end(), row.id));
}

/// What is done to the rows of step 5.
#[derive(Debug, Clone)]
pub enum RowChange {
    /// 新增; the key makes a form that is sent twice add one row.
    Add {
        /// What was typed.
        raw: Raw,
    },
    /// Changes a row.
    Edit {
        /// Which.
        id: u32,
        /// What was typed.
        raw: Raw,
        /// The fingerprint of what the page showed.
        seen: Option<String>,
    },
    /// Deletes a row.
    Delete {
        /// Which.
        id: u32,
    },
    /// 下一步.
    Finish,
}

/// Changes study experience (R2.7).
#[derive(Debug, Clone)]
pub struct ChangeExperience {
    /// Of which application.
    pub application: ApplicationId,
    /// How.
    pub change: RowChange,
}

impl Command for ChangeExperience {
    type Done = Saved;

    fn decide(&self, applicant: &mut Applicant, at: &Moment<'_>, _: &mut Effects) -> Result<Saved, Rejection> {
        let checked = |raw: &Raw| {
            let answers = form::check(&experience::FIELDS, raw, at.today()).map_err(Rejection::Form)?;
            experience::check_row(&answers).map_err(|error| Rejection::Form(vec![error]))?;
            Ok(answers)
        };
        change_draft(applicant, self.application, at, |application, _| {
            match &self.change {
                RowChange::Add { raw } => {
                    let answers = checked(raw)?;
                    if application.experience.iter().any(|row| row.answers == answers) {
                        // The same row again is the same form again.
                        return Ok(());
                    }
                    if application.experience.len() >= experience::ROWS_MOST {
                        return Err(Rejection::NotNow("too-many-rows"));
                    }
                    application.last_experience += 1;
                    let id = application.last_experience;
                    application.experience.push(Experience { id, answers, from_credential: false });
                }
                RowChange::Edit { id, raw, seen } => {
                    let answers = checked(raw)?;
                    let row = application.experience.iter_mut().find(|row| row.id == *id).ok_or(Rejection::NotFound)?;
                    if row.from_credential {
                        return Err(Rejection::NotNow("credential-row"));
                    }
                    not_stale(&row.answers, seen.as_deref(), &answers)?;
                    row.answers = answers;
                }
                RowChange::Delete { id } => {
                    if application.experience.iter().any(|row| row.id == *id && row.from_credential) {
                        return Err(Rejection::NotNow("credential-row"));
                    }
                    application.experience.retain(|row| row.id != *id);
                }
                RowChange::Finish => {
                    return match experience::missing(application) {
                        Some("rows") => Err(Rejection::NotNow("rows-missing")),
                        Some(_) => Err(Rejection::NotNow("school-missing")),
                        None => {
                            application.experience_done = true;
                            Ok(())
                        }
                    };
                }
            }
            sort(application);
            Ok(())
        })
    }
}

/// What is done to the images of step 6.
#[derive(Debug, Clone)]
pub enum MaterialChange {
    /// Images arrived; their originals are in the blob store.
    Add(Vec<Material>),
    /// A quarter turn to the right.
    Rotate(MaterialId),
    /// One place towards the front.
    Forward(MaterialId),
    /// Away with it.
    Delete(MaterialId),
    /// 下一步.
    Finish,
}

/// Changes materials (R2.8).
#[derive(Debug, Clone)]
pub struct ChangeMaterials {
    /// Of which application.
    pub application: ApplicationId,
    /// How.
    pub change: MaterialChange,
}

impl Command for ChangeMaterials {
    type Done = Saved;

    fn decide(&self, applicant: &mut Applicant, at: &Moment<'_>, _: &mut Effects) -> Result<Saved, Rejection> {
        change_draft(applicant, self.application, at, |application, account| {
            match &self.change {
                MaterialChange::Add(images) => {
                    for image in images {
                        add_material(application, account, image, at)?;
                    }
                }
                MaterialChange::Rotate(id) => {
                    let image = application.materials.iter_mut().find(|image| image.id == *id);
                    let image = image.ok_or(Rejection::NotFound)?;
                    image.turns = (image.turns + 1) % 4;
                }
                MaterialChange::Forward(id) => forward(application, *id)?,
                MaterialChange::Delete(id) => application.materials.retain(|image| image.id != *id),
                MaterialChange::Finish => {
                    let unfilled = material::unfilled(application, &account.nationality, at.today());
                    if !unfilled.is_empty() {
                        let entry = |rule: &&material::SlotRule| {
                            let code = match material::slot_state(application, Purpose::Application, &rule.slot) {
                                material::SlotState::Checking => "checking",
                                material::SlotState::Flawed => "flawed",
                                _ => "slot-empty",
                            };
                            FieldError::new(&rule.slot, code)
                        };
                        return Err(Rejection::Form(unfilled.iter().map(entry).collect()));
                    }
                    application.materials_done = true;
                }
            }
            Ok(())
        })
    }
}

fn add_material(
    application: &mut Application,
    account: &Account,
    image: &Material,
    at: &Moment<'_>,
) -> Result<(), Rejection> {
    let slots = material::slots(application, &account.nationality, at.today());
    let most = slots.iter().find(|rule| rule.slot == image.slot).ok_or(Rejection::NotFound)?.most;
    if application.materials.iter().any(|known| known.id == image.id) {
        return Ok(());
    }
    // One scan may serve two slots, but not one slot twice.
    let twin = |known: &&Material| known.slot == image.slot && known.original == image.original;
    if let Some(twin) = application.materials.iter().find(twin) {
        let error = FieldError::new(&image.slot, "twin").with("slot", &twin.slot).with("file", &twin.file_name);
        return Err(Rejection::Form(vec![error]));
    }
    let held = application.materials.iter().filter(|known| known.slot == image.slot);
    let (count, last) = held.fold((0, 0), |(count, last), known| (count + 1, known.place.max(last)));
    if count >= most {
        return Err(Rejection::Form(vec![FieldError::new(&image.slot, "too-many").with("most", most)]));
    }
    application.materials.push(Material { place: last + 1, ..image.clone() });
    Ok(())
}

fn forward(application: &mut Application, id: MaterialId) -> Result<(), Rejection> {
    let moved = application.materials.iter().find(|image| image.id == id).ok_or(Rejection::NotFound)?;
    let (slot, place) = (moved.slot.clone(), moved.place);
    let before = application.materials.iter_mut().filter(|image| image.slot == slot && image.place < place);
    let Some(neighbour) = before.max_by_key(|image| image.place) else { return Ok(()) };
    let freed = std::mem::replace(&mut neighbour.place, place);
    for image in application.materials.iter_mut().filter(|image| image.id == id) {
        image.place = freed;
    }
    application.materials.sort_by(|a, b| (&a.slot, a.place).cmp(&(&b.slot, b.place)));
    Ok(())
}

/// What the upload validator found.
#[derive(Debug, Clone)]
pub struct RecordVerdict {
    /// In which application.
    pub application: ApplicationId,
    /// Of which image.
    pub material: MaterialId,
    /// What it is.
    pub verdict: Verdict,
}

impl Command for RecordVerdict {
    type Done = ();

    fn decide(&self, applicant: &mut Applicant, _: &Moment<'_>, effects: &mut Effects) -> Result<(), Rejection> {
        let application = applicant.application_mut(self.application)?;
        // An image that was deleted meanwhile needs no verdict.
        let purpose = application.materials.iter().find(|image| image.id == self.material).map(|image| image.purpose);
        let mut verdict = self.verdict.clone();
        if let (Some(purpose), Verdict::Good { look, advice, .. }) = (purpose, &mut verdict) {
            let others = application.materials.iter().filter(|image| image.id != self.material);
            if others.clone().any(|image| image.looks_like(look)) {
                advice.push(material::Advice::Twin);
                if matches!(purpose, Purpose::Review(_)) {
                    // Turned or saved anew, it is what was submitted before (R4.4).
                    verdict = Verdict::Bad { flaw: material::Flaw::Known };
                }
            }
        }
        for image in application.materials.iter_mut().filter(|image| image.id == self.material) {
            if image.verdict == Verdict::Waiting {
                image.verdict = verdict.clone();
            }
            if let Verdict::Bad { flaw } = &image.verdict {
                effects.audited(Actor::System, "material-refused", format!("material:{}:{}", image.id, flaw.code()));
            }
        }
        Ok(())
    }
}

/// 提交: freezes the application with its declaration (R2.9).
#[derive(Debug, Clone)]
pub struct SubmitApplication {
    /// Which.
    pub application: ApplicationId,
    /// Whether the declaration (保证书) was ticked.
    pub declared: bool,
}

impl Command for SubmitApplication {
    type Done = ();

    fn decide(&self, applicant: &mut Applicant, at: &Moment<'_>, effects: &mut Effects) -> Result<(), Rejection> {
        let account = applicant.account.clone();
        let application = applicant.application_mut(self.application)?;
        match application.stage() {
            Stage::Draft => {}
            // Pressed twice, or sent again by the browser.
            Stage::Submitted => return Ok(()),
            _ => return Err(Rejection::NotNow("submitted")),
        }
        let next = application.next_step(&account.nationality, at.today());
        if next < StepName::Confirm {
            return Err(Rejection::NotNow("steps-open"));
        }
        if !self.declared {
            return Err(Rejection::field("declaration", "tick"));
        }
        // What is not asked for any more is not declared either.
        let asked = material::slots(application, &account.nationality, at.today());
        let asked: Vec<String> = asked.into_iter().map(|rule| rule.slot.clone()).collect();
        application.materials.retain(|image| asked.contains(&image.slot));
        application.snapshot = Some(snapshot(application));
        application.submitted_at = Some(at.now);
        application.changed_at = at.now;
        effects.happened(self.application, "submitted", Actor::Applicant, "");
        // The first time the store gives the number, and puts it into the notice.
        let number = application.number.clone();
        let params: Vec<(&str, &str)> = number.iter().map(|number| ("number", number.as_str())).collect();
        effects.tell(&account, NoticeKind::Submitted, &params);
        Ok(())
    }
}

/// Takes a submitted application back to change it, as long as it is not paid.
#[derive(Debug, Clone)]
pub struct ReopenApplication {
    /// Which.
    pub application: ApplicationId,
}

impl Command for ReopenApplication {
    type Done = ();

    fn decide(&self, applicant: &mut Applicant, at: &Moment<'_>, effects: &mut Effects) -> Result<(), Rejection> {
        let application = applicant.application_mut(self.application)?;
        match application.stage() {
            Stage::Draft => return Ok(()),
            Stage::Submitted => {}
            _ => return Err(Rejection::NotNow("paid")),
        }
        let paying = |attempt: &&crate::payment::Attempt| attempt.state == crate::payment::AttemptState::Open;
        if application.attempts.iter().any(|attempt| paying(&attempt)) {
            return Err(Rejection::NotNow("paying"));
        }
        application.submitted_at = None;
        application.snapshot = None;
        application.changed_at = at.now;
        effects.happened(self.application, "reopened", Actor::Applicant, "");
        Ok(())
    }
}

/// Everything that the applicant declared to be true, in a form that can be kept for good.
fn snapshot(application: &Application) -> String {
    let materials: BTreeMap<String, Vec<&str>> =
        application.materials.iter().fold(BTreeMap::new(), |mut slots, image| {
            slots.entry(image.slot.clone()).or_insert_with(Vec::new).push(&image.original);
            slots
        });
    json!({
        "basic": application.basic,
        "kind": application.kind,
        "joint": application.joint,
        "credential": application.credential,
        "experience": application.experience,
        "materials": materials,
    })
    .to_string()
}
