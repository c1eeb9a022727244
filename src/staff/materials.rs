//! The table of materials (R2.8, casework.md §2) and the share of second evaluations, as administrators keep them. A
//! change makes a new version, and applies to applications that are begun after it.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use domain::Rejection;
use domain::effects::{Actor, AuditEntry};
use domain::form::{FieldError, Raw};
use domain::ids::StaffId;
use domain::material::{CONDITIONS, SLOT_MOST, SlotNeed, SlotRule, SlotWords, Table, TableChange};
use domain::staff::Act;
use domain::steps::{ApplicationKind, LEVELS};
use maud::{Markup, html};
use store::StoreError;

use crate::error::Failure;
use crate::staff::people::tabs;
use crate::web::Answer;
use crate::web::components::instant;
use crate::web::ctx::Ctx;
use crate::web::form::{Shown, error_words, summary};
use crate::web::layout::{Page, token};
use crate::web::posted::Posted;

/// The setting that holds the share of cases with a second evaluation, in per cent.
pub const SECOND_SHARE: &str = "second_share";
/// Versions that are listed.
const VERSIONS_MOST: i64 = 20;

/// The share as it is set; none before anybody sets it.
///
/// # Errors
/// When the database fails.
pub async fn second_share(ctx: &Ctx) -> Result<u8, Failure> {
    let set = ctx.db(|store| store.setting(SECOND_SHARE)).await?;
    Ok(set.and_then(|set| set.parse().ok()).filter(|share| *share <= 100).unwrap_or(0))
}

/// `GET /staff/materials`
pub async fn show(ctx: Ctx) -> Answer {
    ctx.officer(Act::Administer).await?;
    page(&ctx, StatusCode::OK, &Shown::default()).await
}

async fn page(ctx: &Ctx, status: StatusCode, shown: &Shown) -> Answer {
    let (table, versions, names) = ctx
        .db(|store| Ok((store.materials_table()?, store.materials_versions(VERSIONS_MOST)?, store.staff_names()?)))
        .await?;
    let share = second_share(ctx).await?.to_string();
    let share = shown.raw.get(SECOND_SHARE).unwrap_or(&share);
    let name =
        |id: &str| names.iter().find(|(known, _)| known == id).map_or_else(String::new, |(_, name)| name.clone());
    Ok(Page::new(ctx.t("rules-title")).staff().status(status).show(
        ctx,
        html! {
            (tabs(ctx, "materials"))
            h1 { (ctx.t("rules-title")) }
            @if status == StatusCode::CONFLICT { div class="summary" role="alert" { p { (ctx.t("rules-conflict")) } } }
            (summary(ctx, shown))
            section {
                h2 { (ctx.t("rules-materials")) " " span class="tag" { (ctx.with("rules-version", &[("version", &table.version.to_string())])) } }
                p class="hint" { (ctx.t("rules-new-only")) }
                p { a class="button" href="/staff/materials/new" { (ctx.t("rules-add")) } }
                div class="wide-table" tabindex="0" role="region" aria-label=(ctx.t("rules-materials")) { table {
                    thead { tr { @for head in ["rules-slot", "rules-need", "rules-images", "rules-for", "rules-condition", "rules-order"] { th scope="col" { (ctx.t(head)) } } } }
                    tbody { @for (at, rule) in table.rules.iter().enumerate() {
                        tr {
                            td { a href={"/staff/materials/" (rule.slot)} { (ctx.slot(&rule.slot)) } }
                            td { (ctx.t(&format!("slot-{}", rule.need.code()))) }
                            td class="amount" { (rule.most) }
                            td { (for_whom(ctx, rule)) }
                            td { (condition(ctx, rule)) }
                            td { @if at > 0 {
                                form method="post" action={"/staff/materials/" (rule.slot)} {
                                    (token(ctx)) input type="hidden" name="version" value=(table.version);
                                    button class="link" name="act" value="up" { (ctx.t("image-forward")) span class="hidden" { " " (ctx.slot(&rule.slot)) } }
                                }
                            } }
                        }
                    } }
                } }
                @if !versions.is_empty() {
                    details { summary { (ctx.t("rules-versions")) }
                        ol class="timeline" { @for (version, at, by) in &versions { li { span class="hint" { (instant(ctx, *at)) " · " (name(by)) } " " (ctx.with("rules-version", &[("version", &version.to_string())])) } } }
                    }
                }
            }
            section class="card" {
                h2 { (ctx.t("rules-second")) }
                p class="hint" { (ctx.t("rules-second-words")) }
                form method="post" action="/staff/materials" novalidate {
                    (token(ctx))
                    div class="field" {
                        label for=(SECOND_SHARE) { (ctx.t("field-second_share")) }
                        (error(ctx, shown, SECOND_SHARE))
                        input id=(SECOND_SHARE) name=(SECOND_SHARE) class="short" inputmode="numeric" value=(share);
                    }
                    button type="submit" class="secondary" { (ctx.t("save")) }
                }
            }
        },
    ))
}

fn error(ctx: &Ctx, shown: &Shown, field: &str) -> Markup {
    html! { @for error in shown.errors.iter().filter(|error| error.field == field) { p class="error" { (error_words(ctx, error)) } } }
}

fn for_whom(ctx: &Ctx, rule: &SlotRule) -> String {
    let kinds = rule.kinds.iter().map(|kind| ctx.t(&format!("choice-kind-{kind}")));
    let levels = rule.levels.iter().map(|level| ctx.t(&format!("choice-level-{level}")));
    let nation = rule.nationality.iter().map(|nation| ctx.t(&format!("rules-nation-{nation}")));
    let all: Vec<String> = kinds.chain(levels).chain(nation).collect();
    if all.is_empty() { ctx.t("rules-everybody") } else { all.join(" · ") }
}

fn condition(ctx: &Ctx, rule: &SlotRule) -> String {
    let name = |condition: &String| ctx.t(&format!("condition-{condition}"));
    let when = rule.when.as_ref().map(name);
    let unless = rule.unless.as_ref().map(|unless| ctx.with("rules-unless", &[("condition", &name(unless))]));
    when.into_iter().chain(unless).collect::<Vec<_>>().join(" · ")
}

/// `POST /staff/materials`: sets the share of second evaluations.
pub async fn set_share(ctx: Ctx, posted: Posted) -> Answer {
    let officer = ctx.officer_keeping(Act::Administer, &posted.0).await?;
    let typed = posted.get(SECOND_SHARE).trim().trim_end_matches('%').trim().to_owned();
    let Some(share) = typed.parse::<u8>().ok().filter(|share| *share <= 100) else {
        let wrong = Shown::wrong(posted.0, vec![FieldError::new(SECOND_SHARE, "range").with("most", 100)]);
        return page(&ctx, wrong.status(), &wrong).await;
    };
    let entry = AuditEntry { by: Actor::Staff(officer.id), act: "second-share-set", subject: format!("share:{share}") };
    let now = ctx.now();
    ctx.db(move |store| store.set_setting(SECOND_SHARE, &share.to_string(), &entry, now)).await?;
    ctx.flash("flash-saved");
    Ok(ctx.redirect("/staff/materials"))
}

fn raw(rule: &SlotRule) -> Raw {
    let mut raw = Raw::new();
    let mut put = |name: String, value: &str| {
        raw.insert(name, value.to_owned());
    };
    put("need".into(), rule.need.code());
    put("slot_images".into(), &rule.most.to_string());
    for kind in &rule.kinds {
        put(format!("kind_{kind}"), "yes");
    }
    for level in &rule.levels {
        put(format!("level_{level}"), "yes");
    }
    put("nationality".into(), rule.nationality.as_deref().unwrap_or_default());
    put("slot_when".into(), rule.when.as_deref().unwrap_or_default());
    put("slot_unless".into(), rule.unless.as_deref().unwrap_or_default());
    raw
}

fn read(slot: &str, posted: &Raw) -> Result<SlotRule, Vec<FieldError>> {
    let text = |name: &str| posted.get(name).map(|value| value.trim().to_owned()).unwrap_or_default();
    let some = |name: &str| Some(text(name)).filter(|value| !value.is_empty());
    let ticked = |prefix: &str, code: &str| !text(&format!("{prefix}_{code}")).is_empty();
    let need = match text("need").as_str() {
        "required" => SlotNeed::Required,
        "advised" => SlotNeed::Advised,
        _ => return Err(vec![FieldError::new("need", "choose")]),
    };
    let kinds = ApplicationKind::ALL.iter().map(|kind| kind.code()).filter(|kind| ticked("kind", kind));
    let levels = LEVELS.iter().copied().filter(|level| ticked("level", level));
    let words = slot.is_empty().then(|| SlotWords {
        zh: text("slot_zh"),
        en: text("slot_en"),
        hint_zh: text("slot_hint_zh"),
        hint_en: text("slot_hint_en"),
    });
    Ok(SlotRule {
        slot: slot.to_owned(),
        need,
        // What is no number is out of range.
        most: text("slot_images").parse().unwrap_or(0),
        kinds: kinds.map(str::to_owned).collect(),
        levels: levels.map(str::to_owned).collect(),
        nationality: some("nationality").filter(|nation| ["chinese", "foreign"].contains(&nation.as_str())),
        when: some("slot_when"),
        unless: some("slot_unless"),
        words,
    })
}

fn choices(ctx: &Ctx, shown: &Shown, name: &str, label: &str, options: &[(&str, String)]) -> Markup {
    let value = shown.raw.get(name).map_or("", String::as_str);
    html! {
        div class="field" {
            label for=(name) { (ctx.t(label)) }
            (error(ctx, shown, name))
            select id=(name) name=(name) { @for (code, words) in options { option value=(code) selected[*code == value] { (words) } } }
        }
    }
}

fn ticks(ctx: &Ctx, shown: &Shown, prefix: &str, label: &str, codes: &[&str]) -> Markup {
    html! {
        fieldset class="field" { legend { (ctx.t(label)) }
            p class="hint" { (ctx.t("rules-none-is-all")) }
            @for code in codes {
                @let id = format!("{prefix}_{code}");
                div class="choice" {
                    input type="checkbox" id=(id) name=(id) value="yes" checked[shown.raw.get(&id).is_some_and(|value| !value.is_empty())];
                    label for=(id) { (ctx.t(&format!("choice-{prefix}-{code}"))) }
                }
            }
        }
    }
}

fn form(ctx: &Ctx, table: &Table, slot: &str, shown: &Shown) -> HttpResponse {
    let is_new = slot == "new";
    let title = if is_new { ctx.t("rules-add") } else { ctx.slot(slot) };
    let kinds: Vec<&str> = ApplicationKind::ALL.iter().map(|kind| kind.code()).collect();
    let mut conditions = vec![("", ctx.t("rules-always"))];
    conditions.extend(CONDITIONS.iter().map(|name| (*name, ctx.t(&format!("condition-{name}")))));
    let mut exceptions = conditions.clone();
    if let Some(first) = exceptions.first_mut() {
        first.1 = ctx.t("rules-never");
    }
    let nations = [
        ("", ctx.t("rules-everybody")),
        ("chinese", ctx.t("rules-nation-chinese")),
        ("foreign", ctx.t("rules-nation-foreign")),
    ];
    let needs = [("required", ctx.t("slot-required")), ("advised", ctx.t("slot-advised"))];
    let text = |name: &str| {
        html! {
            div class="field" {
                label for=(name) { (ctx.t(&format!("field-{name}"))) }
                (error(ctx, shown, name))
                input id=(name) name=(name) value=(shown.raw.get(name).map_or("", String::as_str));
            }
        }
    };
    Page::new(title.clone()).staff().status(shown.status()).show(
        ctx,
        html! {
            p class="crumbs" { a href="/staff/materials" { (ctx.t("rules-title")) } }
            h1 { (title) }
            (summary(ctx, shown))
            form method="post" action={"/staff/materials/" (slot)} novalidate {
                (token(ctx))
                input type="hidden" name="version" value=(table.version);
                @if is_new { (text("slot_zh")) (text("slot_en")) (text("slot_hint_zh")) (text("slot_hint_en")) }
                (choices(ctx, shown, "need", "rules-need", &needs))
                div class="field" {
                    label for="slot_images" { (ctx.t("field-slot_images")) }
                    p class="hint" { (ctx.with("rules-images-most", &[("most", &SLOT_MOST.to_string())])) }
                    (error(ctx, shown, "slot_images"))
                    input id="slot_images" name="slot_images" class="short" inputmode="numeric" value=(shown.raw.get("slot_images").map_or("", String::as_str));
                }
                (ticks(ctx, shown, "kind", "field-kind", &kinds))
                (ticks(ctx, shown, "level", "field-level", &LEVELS))
                (choices(ctx, shown, "nationality", "field-nationality", &nations))
                (choices(ctx, shown, "slot_when", "field-slot_when", &conditions))
                (choices(ctx, shown, "slot_unless", "field-slot_unless", &exceptions))
                div class="actions" {
                    button type="submit" name="act" value="save" { (ctx.t("save")) }
                    @if !is_new { button class="danger" name="act" value="remove" { (ctx.t("rules-remove")) } }
                }
            }
        },
    )
}

/// `GET /staff/materials/{slot}`
pub async fn one(ctx: Ctx, slot: web::Path<String>) -> Answer {
    ctx.officer(Act::Administer).await?;
    let table = ctx.db(|store| store.materials_table()).await?;
    let shown = match table.rule(&slot) {
        Some(rule) => Shown::of(raw(rule)),
        None if slot.as_str() == "new" => Shown::of([("slot_images".to_owned(), "6".to_owned())].into()),
        None => return Err(Rejection::NotFound.into()),
    };
    Ok(form(&ctx, &table, &slot, &shown))
}

/// `POST /staff/materials/{slot}`
pub async fn save(ctx: Ctx, slot: web::Path<String>, posted: Posted) -> Answer {
    let officer = ctx.officer_keeping(Act::Administer, &posted.0).await?;
    let slot = slot.into_inner();
    let table = ctx.db(|store| store.materials_table()).await?;
    let Ok(seen) = posted.get("version").parse::<i64>() else {
        return page(&ctx, StatusCode::CONFLICT, &Shown::default()).await;
    };
    if seen != table.version {
        return moved(&ctx, &table, &slot, posted).await;
    }
    let change = match posted.get("act") {
        "up" => TableChange::Up(slot.clone()),
        "remove" => TableChange::Remove(slot.clone()),
        _ => match read(if slot == "new" { "" } else { &slot }, &posted.0) {
            Ok(rule) => TableChange::Put(Box::new(rule)),
            Err(errors) => return Ok(form(&ctx, &table, &slot, &Shown::wrong(posted.0, errors))),
        },
    };
    let rules = match table.changed(change) {
        Ok(rules) => rules,
        Err(Rejection::Form(errors)) => return Ok(form(&ctx, &table, &slot, &Shown::wrong(posted.0, errors))),
        Err(rejection) => return Err(rejection.into()),
    };
    match change_table(&ctx, officer.id, seen, rules, &slot).await {
        Ok(_) => {
            ctx.flash("flash-saved");
            Ok(ctx.redirect("/staff/materials"))
        }
        Err(StoreError::Stale) => {
            let table = ctx.db(|store| store.materials_table()).await?;
            moved(&ctx, &table, &slot, posted).await
        }
        Err(error) => Err(error.into()),
    }
}

/// Somebody changed the table meanwhile: the form again with what was typed, or the table as it now stands.
async fn moved(ctx: &Ctx, table: &Table, slot: &str, posted: Posted) -> Answer {
    if matches!(posted.get("act"), "up" | "remove") || (slot != "new" && table.rule(slot).is_none()) {
        return page(ctx, StatusCode::CONFLICT, &Shown::default()).await;
    }
    let moved = domain::form::FieldError::new("slot_zh", "table-moved");
    Ok(form(ctx, table, slot, &Shown::wrong(posted.0, vec![moved])))
}

async fn change_table(ctx: &Ctx, by: StaffId, seen: i64, rules: Vec<SlotRule>, slot: &str) -> Result<i64, StoreError> {
    let entry = AuditEntry { by: Actor::Staff(by), act: "materials-changed", subject: format!("slot:{slot}") };
    let (world, now) = (Arc::clone(&ctx.site().tree.world), ctx.now());
    actors::run(&world.rows.clone(), move || world.store.change_materials(seen, &rules, by, &entry, now)).await
}
