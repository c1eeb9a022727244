//! Numbers and plots (R6.5): intake, throughput, time to result, ageing, results by country; each plot has its table, and
//! everything can be taken away as CSV.

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use chrono::{Datelike, Days, NaiveDate, TimeDelta};
use domain::calendar::midnight;
use domain::case::{Outcome, Stage};
use domain::form::parse_date;
use domain::staff::Act;
use maud::{Markup, html};
use serde::Deserialize;
use store::{AGES, AgreementRow, DayRow, Durations, QueueFilter, ResultRow};

use crate::error::Failure;
use crate::web::Answer;
use crate::web::ctx::Ctx;
use crate::web::layout::Page;

/// Days that are shown when nothing is asked for: a quarter.
const DAYS: u64 = 91;
/// Days that can be asked for at once.
const DAYS_MOST: u64 = 3 * 366;
/// Cases of one export.
const CASES_MOST: i64 = 10_000;
const OPEN: [Stage; 7] = [
    Stage::Screening,
    Stage::Supplement,
    Stage::Assessing,
    Stage::Verifying,
    Stage::Proposed,
    Stage::Reviewing,
    Stage::ReviewProposed,
];
const KINDS: [&str; 3] = ["submitted", "accepted", "decided"];

/// From when to when, days included.
#[derive(Debug, Deserialize)]
#[serde(default)]
#[derive(Default)]
pub struct View {
    from: String,
    to: String,
    stage: String,
}

impl View {
    fn span(&self, today: NaiveDate) -> (NaiveDate, NaiveDate) {
        let to = parse_date(&self.to).filter(|to| *to <= today).unwrap_or(today);
        let from = parse_date(&self.from).unwrap_or_else(|| to - Days::new(DAYS));
        (from.clamp(to - Days::new(DAYS_MOST), to), to)
    }
}

struct Numbers {
    days: Vec<DayRow>,
    results: Vec<ResultRow>,
    durations: Durations,
    ages: Vec<(Stage, Vec<i64>)>,
    agreement: (Vec<AgreementRow>, Vec<AgreementRow>),
    names: Vec<(String, String)>,
}

async fn numbers(ctx: &Ctx, (from, to): (NaiveDate, NaiveDate)) -> Result<Numbers, Failure> {
    let (from, to, now) = (midnight(from), midnight(to) + TimeDelta::days(1), ctx.now());
    ctx.db(move |store| {
        Ok(Numbers {
            days: store.by_day(from, to)?,
            results: store.by_country(from, to)?,
            durations: store.durations(None, from, to)?,
            ages: store.ages(&OPEN, now)?,
            agreement: store.agreement(from, to)?,
            names: store.staff_names()?,
        })
    })
    .await
}

/// Sums by week, each named by its Monday.
fn weeks(days: &[DayRow]) -> Vec<(NaiveDate, [i64; 3])> {
    let mut weeks: std::collections::BTreeMap<NaiveDate, [i64; 3]> = std::collections::BTreeMap::new();
    for row in days {
        let monday = row.day - Days::new(u64::from(row.day.weekday().num_days_from_monday()));
        let sums = weeks.entry(monday).or_default();
        for (sum, kind) in sums.iter_mut().zip(KINDS) {
            *sum += if row.kind == kind { row.count } else { 0 };
        }
    }
    weeks.into_iter().collect()
}

/// Bars side by side, one group a label; the table beneath says the same.
fn bars(title: &str, groups: &[(String, Vec<i64>)]) -> Markup {
    let most = groups.iter().flat_map(|(_, values)| values).copied().max().unwrap_or(0).max(1);
    let series = groups.iter().map(|(_, values)| values.len()).max().unwrap_or(1).max(1);
    let (wide, high) = (640.0_f64, 160.0_f64);
    let slot = wide / groups.len().max(1) as f64;
    let bar = (slot * 0.8 / series as f64).min(40.0);
    html! {
        svg class="plot" viewBox={"0 0 " (wide) " " (high + 4.0)} role="img" aria-label=(title) {
            line x1="0" y1=(high) x2=(wide) y2=(high) class="axis" {}
            @for (at, (_, values)) in groups.iter().enumerate() { @for (nth, value) in values.iter().enumerate() {
                @let tall = *value as f64 / most as f64 * (high - 8.0);
                rect class={"bar bar-" (nth)} x=(format!("{:.1}", at as f64 * slot + slot * 0.1 + nth as f64 * bar)) y=(format!("{:.1}", high - tall)) width=(format!("{:.1}", (bar - 1.0).max(0.5))) height=(format!("{tall:.1}")) {}
            } }
        }
    }
}

fn table(ctx: &Ctx, caption: &str, head: &[String], body: &[Vec<String>]) -> Markup {
    html! {
        div class="wide-table" tabindex="0" role="region" aria-label=(caption) { table {
            caption { (caption) }
            thead { tr { @for (at, cell) in head.iter().enumerate() { th scope="col" class=[(at > 0).then_some("amount")] { (cell) } } } }
            tbody {
                @for row in body { tr { @for (at, cell) in row.iter().enumerate() { td class=[(at > 0).then_some("amount")] { (cell) } } } }
                @if body.is_empty() { tr { td colspan=(head.len()) { (ctx.t("statistics-none")) } } }
            }
        } }
    }
}

/// One table: the name of its file, its head, its rows.
type Table = (&'static str, Vec<String>, Vec<Vec<String>>);

/// The tables of the page.
fn tables(ctx: &Ctx, numbers: &Numbers) -> Vec<Table> {
    let kinds = KINDS.map(|kind| ctx.t(&format!("event-{kind}")));
    let mut week_head = vec![ctx.t("statistics-week")];
    week_head.extend(kinds);
    let week_rows = weeks(&numbers.days).into_iter().map(|(monday, sums)| {
        let mut row = vec![monday.to_string()];
        row.extend(sums.map(|sum| sum.to_string()));
        row
    });
    let mut age_head = vec![ctx.t("queue-stages")];
    let mut below = 0;
    for bound in AGES {
        age_head.push(format!("{below}–{bound}"));
        below = bound;
    }
    age_head.push(format!("> {below}"));
    let age_rows = numbers.ages.iter().map(|(stage, counts)| {
        let mut row = vec![ctx.t(&format!("stage-{}", stage.code()))];
        row.extend(counts.iter().map(ToString::to_string));
        row
    });
    let mut countries: Vec<String> = numbers.results.iter().map(|row| row.country.clone()).collect();
    countries.sort();
    countries.dedup();
    let count = |country: &str, outcome: &str| {
        let of = numbers.results.iter().filter(|row| row.country == country && row.outcome == outcome);
        of.map(|row| row.count).sum::<i64>()
    };
    let mut country_head = vec![ctx.t("field-country")];
    country_head.extend(Outcome::ALL.map(|outcome| ctx.t(&format!("outcome-{}", outcome.code()))));
    let mut country_rows: Vec<(i64, Vec<String>)> = countries
        .iter()
        .map(|country| {
            let counts = Outcome::ALL.map(|outcome| count(country, outcome.code()));
            let mut row = vec![ctx.texts().country(country)];
            row.extend(counts.map(|count| count.to_string()));
            (counts.iter().sum(), row)
        })
        .collect();
    country_rows.sort_by_key(|(sum, _)| std::cmp::Reverse(*sum));
    let days = |share| numbers.durations.within(share).map_or_else(|| "–".to_owned(), |days| days.to_string());
    let time_head = vec![ctx.t("statistics-cases"), ctx.t("statistics-median"), ctx.t("statistics-nine")];
    let time_rows = vec![vec![numbers.durations.count().to_string(), days(50), days(90)]];
    let agreed_head = |of: &str| vec![ctx.t(of), ctx.t("statistics-pairs"), ctx.t("statistics-agreed"), "%".to_owned()];
    let agreed_row = |name: String, row: &AgreementRow| {
        let share = (row.agreed * 100).checked_div(row.pairs).unwrap_or(0);
        vec![name, row.pairs.to_string(), row.agreed.to_string(), share.to_string()]
    };
    let name = |id: &str| {
        let known = numbers.names.iter().find(|(known, _)| known == id);
        known.map_or_else(|| ctx.t("by-staff"), |(_, name)| name.clone())
    };
    let (by_officer, by_country) = &numbers.agreement;
    let officer_rows = by_officer.iter().map(|row| agreed_row(name(&row.of), row));
    let pair_rows = by_country.iter().map(|row| agreed_row(ctx.texts().country(&row.of), row));
    vec![
        ("weeks", week_head, week_rows.collect()),
        ("time", time_head, time_rows),
        ("ages", age_head, age_rows.collect()),
        ("countries", country_head, country_rows.into_iter().map(|(_, row)| row).collect()),
        ("agreement", agreed_head("statistics-officer"), officer_rows.collect()),
        ("agreement-countries", agreed_head("field-country"), pair_rows.collect()),
    ]
}

/// `GET /staff/statistics`
pub async fn show(ctx: Ctx, view: web::Query<View>) -> Answer {
    ctx.officer(Act::ViewNumbers).await?;
    let (from, to) = view.span(ctx.today());
    let numbers = numbers(&ctx, (from, to)).await?;
    let groups: Vec<(String, Vec<i64>)> =
        weeks(&numbers.days).into_iter().map(|(monday, sums)| (monday.to_string(), sums.to_vec())).collect();
    let ages: Vec<(String, Vec<i64>)> =
        numbers.ages.iter().map(|(stage, counts)| (stage.code().to_owned(), counts.clone())).collect();
    let spent: Vec<(String, Vec<i64>)> =
        numbers.durations.0.iter().map(|(days, count)| (days.to_string(), vec![*count])).collect();
    Ok(Page::new(ctx.t("statistics-title")).staff().show(
        &ctx,
        html! {
            h1 { (ctx.t("statistics-title")) }
            form method="get" class="filters" {
                div { label for="from" { (ctx.t("statistics-from")) } input id="from" name="from" value=(from); }
                div { label for="to" { (ctx.t("statistics-to")) } input id="to" name="to" value=(to); }
                button type="submit" class="secondary" { (ctx.t("filter-do")) }
            }
            @for (name, head, body) in tables(&ctx, &numbers) {
                @let title = ctx.t(&format!("statistics-{name}"));
                section class="card" {
                    h2 { (title) }
                    @match name {
                        "weeks" if !groups.is_empty() => (bars(&title, &groups)),
                        "ages" => (bars(&title, &ages)),
                        "time" if !spent.is_empty() => (bars(&title, &spent)),
                        _ => {}
                    }
                    (table(&ctx, &title, &head, &body))
                    p { a href={"/staff/statistics/" (name) ".csv?from=" (from) "&to=" (to)} { (ctx.t("statistics-csv")) } }
                }
            }
            section class="card" { h2 { (ctx.t("statistics-export")) }
                ul { @for stage in OPEN { li { a href={"/staff/statistics/cases.csv?stage=" (stage.code())} { (ctx.t(&format!("stage-{}", stage.code()))) } } } }
            }
        },
    ))
}

/// A cell that no spreadsheet takes for a formula (R6.5).
pub fn guarded(cell: &str) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{cell}") } else { cell.to_owned() }
}

fn csv(name: &str, head: &[String], body: &[Vec<String>]) -> Result<HttpResponse, Failure> {
    let mut writer = csv::Writer::from_writer(b"\xef\xbb\xbf".to_vec());
    for row in std::iter::once(head).chain(body.iter().map(Vec::as_slice)) {
        writer
            .write_record(row.iter().map(|cell| guarded(cell)))
            .map_err(actors::Fault::new)
            .map_err(Failure::Fault)?;
    }
    let bytes = writer.into_inner().map_err(actors::Fault::new).map_err(Failure::Fault)?;
    Ok(HttpResponse::Ok()
        .content_type("text/csv; charset=utf-8")
        .insert_header((header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}.csv\"")))
        .body(bytes))
}

/// `GET /staff/statistics/{name}.csv`
pub async fn export(ctx: Ctx, name: web::Path<String>, view: web::Query<View>) -> Answer {
    let officer = ctx.officer(Act::ViewNumbers).await?;
    let entry = domain::effects::AuditEntry {
        by: domain::effects::Actor::Staff(officer.id),
        act: "exported",
        subject: format!("statistics:{}", name.chars().filter(char::is_ascii_alphanumeric).collect::<String>()),
    };
    let now = ctx.now();
    ctx.db(move |store| store.note(&entry, now)).await?;
    if name.as_str() == "cases" {
        let stage = Stage::from_code(&view.stage).filter(|stage| OPEN.contains(stage)).unwrap_or(Stage::Screening);
        let rows = ctx.db(move |store| store.queue(&QueueFilter::of(stage), None, CASES_MOST)).await?;
        let head = ["case-number", "queue-stages", "field-kind", "field-country", "move-since", "expected"];
        let body: Vec<Vec<String>> = rows
            .iter()
            .map(|row| {
                vec![
                    row.number.clone(),
                    ctx.t(&format!("stage-{}", row.stage.code())),
                    ctx.t(&format!("choice-kind-{}", row.kind)),
                    ctx.texts().country(&row.country),
                    domain::calendar::beijing(row.since).format("%Y-%m-%d %H:%M").to_string(),
                    row.due.map(|due| due.to_string()).unwrap_or_default(),
                ]
            })
            .collect();
        return csv("cases", &head.map(|key| ctx.t(key)), &body);
    }
    let numbers = numbers(&ctx, view.span(ctx.today())).await?;
    let found = tables(&ctx, &numbers).into_iter().find(|(known, _, _)| *known == name.as_str());
    let (known, head, body) = found.ok_or(domain::Rejection::NotFound)?;
    csv(known, &head, &body)
}
