//! Fields on a page: label, hint, error, input; the same declaration that is checked.

use actix_web::http::StatusCode;
use domain::country;
use domain::document_number::DocumentType;
use domain::form::{Field, FieldError, Kind, Need, Raw};
use domain::person::Language;
use maud::{Markup, html};

use crate::web::ctx::Ctx;

/// Choices up to this many are radio buttons.
const RADIOS_MOST: usize = 5;

/// A form as it is shown: what stands in it and what is wrong with it.
#[derive(Debug, Default, Clone)]
pub struct Shown {
    /// What stands in the fields.
    pub raw: Raw,
    /// What is wrong.
    pub errors: Vec<FieldError>,
}

impl Shown {
    /// A form with these values.
    pub fn of(raw: Raw) -> Self {
        Self { raw, errors: Vec::new() }
    }

    /// A form that came back.
    pub fn wrong(raw: Raw, errors: Vec<FieldError>) -> Self {
        Self { raw, errors }
    }

    /// 422 when something is wrong.
    pub fn status(&self) -> StatusCode {
        if self.errors.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY }
    }

    fn value(&self, name: &str) -> &str {
        self.raw.get(name).map_or("", String::as_str)
    }

    fn error(&self, name: &str) -> Option<&FieldError> {
        self.errors.iter().find(|error| error.field == name)
    }
}

/// The words of an error: of the field and the code, or of the code alone.
pub fn error_words(ctx: &Ctx, error: &FieldError) -> String {
    let label = ctx.texts().find(&format!("field-{}", error.field)).unwrap_or_default();
    let slot = error.args.iter().find(|(name, _)| *name == "slot").map(|(_, slot)| ctx.slot(slot));
    let mut args: Vec<(&'static str, &str)> = error.args.iter().map(|(name, value)| (*name, value.as_str())).collect();
    args.push(("label", &label));
    if let Some(slot) = &slot {
        args.push(("slotname", slot));
    }
    let own = ctx.texts().find_with(&format!("error-{}-{}", error.field, error.code), &args);
    own.unwrap_or_else(|| ctx.with(&format!("error-{}", error.code), &args))
}

/// The summary at the top, which links to each field.
pub fn summary(ctx: &Ctx, shown: &Shown) -> Markup {
    html! {
        @if !shown.errors.is_empty() {
            div class="summary" role="alert" aria-labelledby="summary-title" tabindex="-1" autofocus {
                h2 id="summary-title" { (ctx.t("error-summary")) }
                ul { @for error in &shown.errors { li { a href={"#" (error.field)} { (error_words(ctx, error)) } } } }
            }
        }
    }
}

/// One field.
pub fn field(ctx: &Ctx, field: &Field, shown: &Shown) -> Markup {
    let name = field.name;
    let hint = ctx.texts().find(&format!("hint-{name}"));
    let error = shown.error(name);
    let described = match (&hint, error) {
        (Some(_), Some(_)) => Some(format!("{name}-hint {name}-error")),
        (Some(_), None) => Some(format!("{name}-hint")),
        (None, Some(_)) => Some(format!("{name}-error")),
        (None, None) => None,
    };
    let notes = html! {
        @if let Some(hint) = &hint { p class="hint" id={(name) "-hint"} { (hint) } }
        @if let Some(error) = error { p class="error" id={(name) "-error"} { (error_words(ctx, error)) } }
    };
    let group = if error.is_some() { "field wrong" } else { "field" };
    let label = html! {
        (ctx.t(&format!("field-{name}")))
        @if matches!(field.need, Need::Optional) && !matches!(field.kind, Kind::Tick) { span class="optional" { (ctx.t("optional")) } }
    };
    match field.kind {
        Kind::Choice(codes) if codes.len() <= RADIOS_MOST => html! {
            fieldset class=(group) aria-describedby=[described] {
                legend { (label) }
                (notes)
                @for (place, code) in codes.iter().enumerate() {
                    div class="choice" {
                        input type="radio" id=(if place == 0 { name.to_owned() } else { format!("{name}-{code}") }) name=(name)
                            value=(code) checked[shown.value(name) == *code];
                        label for=(if place == 0 { name.to_owned() } else { format!("{name}-{code}") }) { (choice(ctx, name, code)) }
                    }
                }
            }
        },
        Kind::Tick => html! {
            div class=(group) {
                (notes)
                div class="choice" {
                    input type="checkbox" id=(name) name=(name) value="yes" checked[!shown.value(name).is_empty()]
                        aria-describedby=[described];
                    label for=(name) { (label) }
                }
            }
        },
        _ => html! {
            div class=(group) {
                label for=(name) { (label) }
                (notes)
                (input(ctx, field, shown, described.as_deref(), error.is_some()))
            }
        },
    }
}

fn input(ctx: &Ctx, field: &Field, shown: &Shown, described: Option<&str>, wrong: bool) -> Markup {
    let (name, value) = (field.name, shown.value(field.name));
    let complete = (!field.autocomplete.is_empty()).then_some(field.autocomplete);
    let invalid = wrong.then_some("true");
    let text = |kind: &str, mode: Option<&str>, class: &str| {
        html! {
            input type=(kind) id=(name) name=(name) value=(value) class=(class) inputmode=[mode] autocomplete=[complete]
                aria-describedby=[described] aria-invalid=[invalid] spellcheck="false" autocapitalize="off";
        }
    };
    match field.kind {
        Kind::Area(_) => html! {
            textarea id=(name) name=(name) rows="3" aria-describedby=[described] aria-invalid=[invalid] { (value) }
        },
        Kind::Country => select(name, described, wrong, complete, ctx, value, {
            let mut all: Vec<_> = country::all().iter().collect();
            if ctx.language() == Language::English {
                all.sort_by_key(|country| country.en);
            }
            all.into_iter().map(|country| (country.alpha2.to_owned(), ctx.texts().country(country.alpha2))).collect()
        }),
        Kind::Choice(codes) => {
            let options = codes.iter().map(|code| ((*code).to_owned(), choice(ctx, name, code))).collect();
            select(name, described, wrong, complete, ctx, value, options)
        }
        Kind::Date(_) => text("text", Some("numeric"), "short"),
        Kind::Month(_) => text("text", Some("numeric"), "short"),
        Kind::Number(_) => text("text", Some("numeric"), "short"),
        Kind::Mobile | Kind::Phone => text("tel", Some("tel"), "medium"),
        Kind::Email => text("email", Some("email"), ""),
        Kind::Password => text("password", None, "medium"),
        Kind::Text(most) if most <= 40 => text("text", None, "medium"),
        Kind::Text(_) | Kind::Tick => text("text", None, ""),
    }
}

fn select(
    name: &str,
    described: Option<&str>,
    wrong: bool,
    complete: Option<&str>,
    ctx: &Ctx,
    value: &str,
    options: Vec<(String, String)>,
) -> Markup {
    let option = |code: &str, words: &str| html! { option value=(code) selected[code == value] { (words) } };
    html! {
        select id=(name) name=(name) autocomplete=[complete] aria-describedby=[described] aria-invalid=[wrong.then_some("true")] {
            option value="" { (ctx.t("choose")) }
            @if name == "document_type" {
                // Which fit depends on the nationality above (R1.3); told apart here, so that it needs no script.
                @for (group, nationality) in [("document-mainland", &["CN"][..]), ("document-hkmt", &country::HKMT), ("document-foreign", &["US"])] {
                    optgroup label=(ctx.t(group)) {
                        @for (code, words) in &options {
                            @if DocumentType::from_code(code).is_some_and(|kind| nationality.iter().any(|one| kind.fits(one))) { (option(code, words)) }
                        }
                    }
                }
            } @else {
                @for (code, words) in &options { (option(code, words)) }
            }
        }
    }
}

/// The words of a choice: of field and code, or of a group of fields that share their codes.
pub fn choice(ctx: &Ctx, field: &str, code: &str) -> String {
    let group = match field {
        "study_level" => "level",
        other => other,
    };
    ctx.t(&format!("choice-{group}-{code}"))
}

/// A stored answer in words, for the check page, the case page and the officer.
pub fn answer(ctx: &Ctx, field: &Field, value: &str) -> String {
    match field.kind {
        _ if value.is_empty() => ctx.t("not-given"),
        Kind::Choice(_) => choice(ctx, field.name, value),
        Kind::Country => ctx.texts().country(value),
        Kind::Tick => ctx.t("yes"),
        _ => value.to_owned(),
    }
}
