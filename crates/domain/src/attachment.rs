//! Images that are sent for further materials or for a review, before either is sent off.

use crate::Rejection;
use crate::applicant::Applicant;
use crate::application::Application;
use crate::case::Stage;
use crate::command::Command;
use crate::effects::{Effects, Moment};
use crate::form::FieldError;
use crate::ids::{ApplicationId, MaterialId};
use crate::material::{Material, Purpose};
use crate::review;
use crate::supplement;

/// What is done to one image.
#[derive(Debug, Clone)]
pub enum AttachmentChange {
    /// It arrived; its original is in the blob store.
    Add(Material),
    /// A quarter turn to the right.
    Rotate(MaterialId),
    /// Away with it.
    Delete(MaterialId),
}

/// Changes the images of a supplement or of a review that is being prepared.
#[derive(Debug, Clone)]
pub struct ChangeAttachments {
    /// Of which application.
    pub application: ApplicationId,
    /// For what.
    pub purpose: Purpose,
    /// How.
    pub change: AttachmentChange,
}

/// Most images in `slot` for `purpose`, if images may be sent for it now.
///
/// # Errors
/// `NotFound`, or why not any more.
pub fn room(application: &Application, purpose: Purpose, slot: &str) -> Result<usize, Rejection> {
    let most = match purpose {
        Purpose::Application => return Err(Rejection::NotFound),
        Purpose::Supplement(id) => {
            let known = application.casework.supplements.iter().find(|known| known.id == id);
            let known = known.ok_or(Rejection::NotFound)?;
            if known.ended.is_some() {
                return Err(Rejection::NotNow("supplement-ended"));
            }
            if application.stage() != Stage::Supplement {
                return Err(Rejection::NotNow("withdrawn"));
            }
            known.slots.iter().find(|asked| *asked == slot).ok_or(Rejection::NotFound)?;
            supplement::IMAGES_MOST
        }
        Purpose::Review(id) => {
            let known = application.casework.reviews.iter().find(|known| known.id == id);
            if known.ok_or(Rejection::NotFound)?.asked_at.is_some() {
                return Err(Rejection::NotNow("review-open"));
            }
            if slot != review::SLOT {
                return Err(Rejection::NotFound);
            }
            review::IMAGES_MOST
        }
    };
    Ok(most)
}

/// The images of one purpose.
pub fn of(application: &Application, purpose: Purpose) -> impl Iterator<Item = &Material> {
    application.materials.iter().filter(move |image| image.purpose == purpose)
}

impl Command for ChangeAttachments {
    type Done = ();

    fn decide(&self, applicant: &mut Applicant, at: &Moment<'_>, _: &mut Effects) -> Result<(), Rejection> {
        let application = applicant.application_mut(self.application)?;
        match &self.change {
            AttachmentChange::Add(image) => {
                if application.materials.iter().any(|known| known.id == image.id) {
                    return Ok(());
                }
                let most = room(application, self.purpose, &image.slot)?;
                // By content: what the case has already is not sent again for a review (R4.4). For further materials the
                // right scan may lie in the wrong slot: there it is only not sent twice.
                let anywhere = matches!(self.purpose, Purpose::Review(_));
                let here = |known: &Material| known.purpose == self.purpose && known.slot == image.slot;
                let known = |known: &&Material| known.is_copy(image) && (anywhere || here(known));
                if let Some(known) = application.materials.iter().find(known) {
                    let error = FieldError::new(&image.slot, "known").with("file", &image.file_name);
                    return Err(Rejection::Form(vec![error.with("known", &known.file_name)]));
                }
                let held = of(application, self.purpose).filter(|known| known.slot == image.slot);
                let (count, last) = held.fold((0, 0), |(count, last), known| (count + 1, known.place.max(last)));
                if count >= most {
                    return Err(Rejection::Form(vec![FieldError::new(&image.slot, "too-many").with("most", most)]));
                }
                let (place, purpose) = (last + 1, self.purpose);
                application.materials.push(Material { place, purpose, ..image.clone() });
            }
            AttachmentChange::Rotate(id) | AttachmentChange::Delete(id) => {
                let of_it = |image: &&Material| image.id == *id && image.purpose == self.purpose;
                let known = application.materials.iter().find(of_it).ok_or(Rejection::NotFound)?;
                room(application, self.purpose, &known.slot.clone())?;
                match self.change {
                    AttachmentChange::Delete(_) => application.materials.retain(|image| image.id != *id),
                    _ => {
                        for image in application.materials.iter_mut().filter(|image| image.id == *id) {
                            image.turns = (image.turns + 1) % 4;
                        }
                    }
                }
            }
        }
        application.changed_at = at.now;
        Ok(())
    }
}
