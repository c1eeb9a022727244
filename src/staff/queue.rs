//! The queues (R6.2): cases by stage and filter, the longest waiting or the soonest due first, paged by key; the view is
//! in the address. Claims in bulk need no script.

use actix_web::web;
use actors::Refusal;
use chrono::{Datelike, NaiveDate};
use domain::Rejection;
use domain::case::Stage;
use domain::casework::{CaseAct, WorkCase};
use domain::country;
use domain::decision::Seen;
use domain::effects::{Actor, AuditEntry};
use domain::ids::ApplicationId;
use domain::person::Language;
use domain::staff::{Act, Officer};
use domain::steps::ApplicationKind;
use maud::{Markup, html};
use serde::Deserialize;
use store::{COUNTED_MOST, Holder, QueueCursor, QueueFilter, QueueRow};

use crate::staff::people::{anybody, home};
use crate::web::Answer;
use crate::web::components::{cursor_instant, day, instant, stage_tag};
use crate::web::ctx::Ctx;
use crate::web::layout::{Page, token};
use crate::web::posted::Posted;

/// Rows on a page.
pub const ROWS: i64 = 25;
/// Cases that a search shows.
const FOUND_MOST: i64 = 50;
/// Before the id of a case in the form that claims several.
const CASE: &str = "case_";
/// The tabs, in the order of a case's life.
const STAGES: [Stage; 10] = [
    Stage::Screening,
    Stage::Supplement,
    Stage::Assessing,
    Stage::Verifying,
    Stage::Proposed,
    Stage::Reviewing,
    Stage::ReviewProposed,
    Stage::Decided,
    Stage::NotAccepted,
    Stage::Withdrawn,
];

/// The view, as it stands in the address.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub struct View {
    stage: String,
    kind: String,
    country: String,
    holder: String,
    sort: String,
    after: String,
    number: String,
}

impl View {
    fn stage(&self, officer: &Officer) -> Stage {
        let first = if officer.may(Act::Accept) {
            Stage::Screening
        } else if officer.may(Act::Propose) {
            Stage::Assessing
        } else {
            Stage::Proposed
        };
        Stage::from_code(&self.stage).filter(|stage| STAGES.contains(stage)).unwrap_or(first)
    }

    /// What it shows.
    pub fn filter(&self, officer: &Officer) -> QueueFilter {
        let given = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        QueueFilter {
            stage: self.stage(officer),
            kind: given(&self.kind),
            country: given(&self.country),
            holder: match self.holder.as_str() {
                "mine" => Holder::Officer(officer.id),
                "nobody" => Holder::Nobody,
                _ => Holder::Any,
            },
            by_due: self.sort == "due",
        }
    }

    /// Where it begins.
    pub fn cursor(&self) -> Option<QueueCursor> {
        let (at, id) = self.after.split_once('.')?;
        let id: ApplicationId = id.parse().ok()?;
        if self.sort == "due" {
            let day = at.parse::<NaiveDate>().ok().filter(|day| (2_000..2_200).contains(&day.year()))?;
            return Some(QueueCursor::Due(day, id));
        }
        Some(QueueCursor::Since(cursor_instant(at)?, id))
    }

    /// Its own address.
    pub fn here(&self, officer: &Officer) -> String {
        self.address(self.stage(officer), &self.after)
    }

    /// The address of this view with other values in some places.
    fn address(&self, stage: Stage, after: &str) -> String {
        let pairs = [
            ("stage", stage.code()),
            ("kind", &self.kind),
            ("country", &self.country),
            ("holder", &self.holder),
            ("sort", &self.sort),
            ("after", after),
        ];
        let given: Vec<_> = pairs.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        format!("/staff?{}", serde_urlencoded::to_string(given).unwrap_or_default())
    }
}

/// What rows of a queue said, in short: cases, where they stand, who has them.
pub fn fingerprint(rows: &[QueueRow]) -> String {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    for row in rows {
        (row.application.to_string(), row.since.timestamp_micros(), &row.claimed_by).hash(&mut hasher);
    }
    format!("{:016x}", hasher.finish())
}

/// `GET /staff`
pub async fn show(ctx: Ctx, view: web::Query<View>) -> Answer {
    let (anybody, _) = anybody(&ctx).await?;
    // Whoever works elsewhere is taken there.
    if !anybody.may(Act::ViewCases) {
        return Ok(ctx.redirect(home(&anybody)));
    }
    let officer = anybody;
    let mut missed = false;
    if !view.number.trim().is_empty() {
        let number = view.number.clone();
        match ctx.db(move |store| store.application_by_number(&number)).await {
            Ok(id) => return Ok(ctx.redirect(&format!("/staff/case/{id}"))),
            Err(_) => missed = true,
        }
    }
    let (filter, after) = (view.filter(&officer), view.cursor());
    let stage = filter.stage;
    let (rows, counts, names) = ctx
        .db(move |store| {
            let rows = store.queue(&filter, after, ROWS)?;
            let counts = STAGES
                .iter()
                .map(|stage| Ok((*stage, store.count_in(*stage)?)))
                .collect::<Result<Vec<_>, store::StoreError>>()?;
            Ok((rows, counts, store.staff_names()?))
        })
        .await?;
    let more = rows.last().filter(|_| rows.len() == usize::try_from(ROWS).unwrap_or(0)).map(|row| {
        let at = match row.due.filter(|_| view.sort == "due") {
            Some(due) => due.to_string(),
            None => row.since.timestamp_micros().to_string(),
        };
        view.address(stage, &format!("{at}.{}", row.application))
    });
    let here = view.address(stage, &view.after);
    let live = format!("/staff/live{}&known={}", here.trim_start_matches("/staff"), fingerprint(&rows));
    Ok(Page::new(ctx.t("nav-queue")).staff().live().show(
        &ctx,
        html! {
            h1 { (ctx.t("nav-queue")) }
            (crate::web::live::place(&ctx, &live))
            p { (ctx.with("staff-hello", &[("name", &officer.name)]))
                @if officer.may(Act::ViewNumbers) { " " a href="/staff/statistics" { (ctx.t("statistics-title")) } } }
            (search(&ctx, missed))
            nav class="tabs" aria-label=(ctx.t("queue-stages")) {
                @for (each, count) in counts {
                    a href=(view.address(each, "")) aria-current=[(each == stage).then_some("page")] { (ctx.t(&format!("stage-{}", each.code()))) " (" @if count >= COUNTED_MOST { (COUNTED_MOST - 1) "+" } @else { (count) } ")" }
                }
            }
            (filters(&ctx, &view, stage))
            @if rows.is_empty() { p class="empty" { (ctx.t("queue-empty")) } }
            @else {
                form method="post" action="/staff/claims" {
                    (token(&ctx))
                    input type="hidden" name="back" value=(here);
                    (table(&ctx, &rows, &names, ctx.today(), true))
                    p { button type="submit" class="secondary" { (ctx.t("queue-claim")) } }
                }
            }
            @if let Some(more) = more { p { a href=(more) { (ctx.t("queue-more")) } } }
        },
    ))
}

fn search(ctx: &Ctx, missed: bool) -> Markup {
    html! {
        form method="post" action="/staff/search" class="search" {
            (token(ctx))
            label for="who" { (ctx.t("search-who")) }
            input id="who" name="who" class="medium" autocomplete="off";
            button type="submit" class="secondary" { (ctx.t("find")) }
        }
        @if missed { p class="error" role="alert" { (ctx.t("find-none")) } }
    }
}

fn filters(ctx: &Ctx, view: &View, stage: Stage) -> Markup {
    let option =
        |name: &str, value: &str, words: &str| html! { option value=(value) selected[name == value] { (words) } };
    // The table is in the order of pinyin.
    let mut countries: Vec<(&str, &str)> = match ctx.language() {
        Language::Chinese => country::all().iter().map(|row| (row.alpha2, row.zh)).collect(),
        Language::English => country::all().iter().map(|row| (row.alpha2, row.en)).collect(),
    };
    if ctx.language() == Language::English {
        countries.sort_by_key(|(_, name)| *name);
    }
    html! {
        form method="get" class="filters" {
            input type="hidden" name="stage" value=(stage.code());
            div { label for="filter-kind" { (ctx.t("field-kind")) }
                select id="filter-kind" name="kind" { (option(&view.kind, "", &ctx.t("filter-any")))
                    @for kind in ApplicationKind::ALL { (option(&view.kind, kind.code(), &ctx.t(&format!("choice-kind-{}", kind.code())))) } } }
            div { label for="filter-country" { (ctx.t("field-country")) }
                select id="filter-country" name="country" { (option(&view.country, "", &ctx.t("filter-any")))
                    @for (code, words) in &countries { (option(&view.country, code, words)) } } }
            div { label for="filter-holder" { (ctx.t("claimed-by")) }
                select id="filter-holder" name="holder" { (option(&view.holder, "", &ctx.t("filter-any"))) (option(&view.holder, "mine", &ctx.t("filter-mine"))) (option(&view.holder, "nobody", &ctx.t("claimed-nobody"))) } }
            div { label for="filter-sort" { (ctx.t("filter-sort")) }
                select id="filter-sort" name="sort" { (option(&view.sort, "", &ctx.t("sort-since"))) (option(&view.sort, "due", &ctx.t("sort-due"))) } }
            button type="submit" class="secondary" { (ctx.t("filter-do")) }
        }
    }
}

fn table(ctx: &Ctx, rows: &[QueueRow], names: &[(String, String)], today: NaiveDate, claims: bool) -> Markup {
    let name = |id: &Option<String>| {
        let known = names.iter().find(|(known, _)| Some(known) == id.as_ref());
        known.map_or_else(String::new, |(_, name)| name.clone())
    };
    html! {
        div class="wide-table" tabindex="0" role="region" aria-label=(ctx.t("nav-queue")) { table {
            thead { tr {
                @if claims { th scope="col" { span class="hidden" { (ctx.t("queue-claim")) } } }
                th scope="col" { (ctx.t("case-number")) } @if !claims { th scope="col" { (ctx.t("queue-stages")) } }
                th scope="col" { (ctx.t("field-kind")) } th scope="col" { (ctx.t("field-country")) }
                th scope="col" { (ctx.t("move-since")) } th scope="col" { (ctx.t("expected")) } th scope="col" { (ctx.t("claimed-by")) }
            } }
            tbody { @for row in rows {
                tr {
                    @if claims { td { @if row.claimed_by.is_none() {
                        input type="checkbox" name={(CASE) (row.application)} value="yes" aria-label={(ctx.t("queue-claim")) " " (row.number)};
                    } } }
                    td class="number" { a href={"/staff/case/" (row.application)} { (row.number) } }
                    @if !claims { td { (stage_tag(ctx, row.stage)) } }
                    td { (ctx.t(&format!("choice-kind-{}", row.kind))) }
                    td { (ctx.texts().country(&row.country)) }
                    td { (instant(ctx, row.since)) " " span class="hint" { (ctx.with("clearing-age", &[("days", &(ctx.now() - row.since).num_days().to_string())])) } }
                    td { @if let Some(due) = row.due { (day(ctx, due)) @if due < today { " " span class="tag tag-late" { (ctx.t("queue-late")) } } } }
                    td { (name(&row.claimed_by)) }
                }
            } }
        } }
    }
}

/// `POST /staff/search`: by number, name or document number; posted, for names and numbers belong in no address.
pub async fn find(ctx: Ctx, posted: Posted) -> Answer {
    let officer = ctx.officer(Act::ViewCases).await?;
    let who = posted.get("who").trim().to_owned();
    let (by, now) = (officer.id, ctx.now());
    let (number, found, names) = ctx
        .db(move |store| {
            let number = store.application_by_number(&who).ok();
            let found = if who.is_empty() { Vec::new() } else { store.cases_of(&who, FOUND_MOST)? };
            store.note(&AuditEntry { by: Actor::Staff(by), act: "searched", subject: "applications".into() }, now)?;
            Ok((number, found, store.staff_names()?))
        })
        .await?;
    if let Some(id) = number {
        return Ok(ctx.redirect(&format!("/staff/case/{id}")));
    }
    Ok(Page::new(ctx.t("search-title")).staff().show(
        &ctx,
        html! {
            p class="crumbs" { a href="/staff" { (ctx.t("nav-queue")) } }
            h1 { (ctx.t("search-title")) }
            (search(&ctx, found.is_empty()))
            @if !found.is_empty() { (table(&ctx, &found, &names, ctx.today(), false)) }
        },
    ))
}

/// `POST /staff/claims`: takes several cases at once; those that somebody else was quicker with stay theirs.
pub async fn claim(ctx: Ctx, posted: Posted) -> Answer {
    let officer = ctx.officer(Act::ViewCases).await?;
    let mut lost = false;
    for id in posted.0.keys().filter_map(|name| name.strip_prefix(CASE)?.parse::<ApplicationId>().ok()) {
        let owner = ctx.db(move |store| store.owner_of(id)).await?;
        let applicant = ctx.site().tree.applicant(owner).await?;
        let seen = Seen::of(applicant.application(id)?);
        let command = WorkCase { application: id, officer: officer.clone(), act: CaseAct::Claim, seen };
        match ctx.site().tree.command(owner, command).await {
            Ok(()) => {}
            Err(Refusal::Rejected(Rejection::NotNow("claimed"))) => lost = true,
            Err(refusal) => return Err(refusal.into()),
        }
    }
    ctx.flash(if lost { "flash-some-claimed" } else { "flash-decided" });
    let back = posted.get("back");
    Ok(ctx.redirect(if back.starts_with("/staff?") { back } else { "/staff" }))
}
