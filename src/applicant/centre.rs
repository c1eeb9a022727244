//! The personal centre (个人中心, R2.2): whose move it is, at a glance, and the list of own applications.

use domain::application::Application;
use domain::case::Stage;
use domain::ids::ApplicationId;
use domain::submission::BeginApplication;
use maud::{Markup, html};

use crate::applicant::account;
use crate::web::Answer;
use crate::web::components::{button_link, day, stage_tag, whose_move};
use crate::web::ctx::Ctx;
use crate::web::layout::{Page, token};
use crate::web::posted::Posted;

/// `GET /centre`
pub async fn show(ctx: Ctx) -> Answer {
    let me = ctx.me().await?;
    let name = domain::person::masked_name(&me.account.name);
    let waiting: Vec<_> = me
        .applications
        .iter()
        .filter(|application| matches!(application.stage(), Stage::Draft | Stage::Submitted))
        .collect();
    let undelivered = account::undelivered(&ctx, &me).await?;
    Ok(Page::new(ctx.t("nav-centre")).show(
        &ctx,
        html! {
            h1 { (ctx.t("nav-centre")) }
            p { (ctx.with("centre-hello", &[("name", &name)])) }
            (undelivered)
            @if !waiting.is_empty() { p class="advice" { (ctx.with("centre-waiting", &[("count", &waiting.len().to_string())])) } }
            section class="card" {
                h2 { (ctx.t("centre-authentication")) }
                h3 { (ctx.t("centre-applications")) }
                p { (ctx.t("centre-applications-words")) }
                (button_link("/centre/applications", &ctx.t("centre-go")))
            }
            section class="card" {
                h2 { (ctx.t("payments-title")) }
                p { (ctx.t("centre-payments-words")) }
                p { a href="/payments" { (ctx.t("payments-title")) } }
            }
            section class="card" {
                h2 { (ctx.t("account-title")) }
                p { a href="/account" { (ctx.t("centre-account")) } }
            }
        },
    ))
}

/// `GET /centre/applications`
pub async fn applications(ctx: Ctx) -> Answer {
    let me = ctx.me().await?;
    let nationality = me.account.nationality.as_str();
    let undelivered = account::undelivered(&ctx, &me).await?;
    Ok(Page::new(ctx.t("centre-applications")).show(
        &ctx,
        html! {
            p class="crumbs" { a href="/centre" { (ctx.t("nav-centre")) } }
            h1 { (ctx.t("centre-applications")) }
            (undelivered)
            form method="post" {
                (token(&ctx))
                input type="hidden" name="id" value=(ApplicationId::fresh());
                button type="submit" { (ctx.t("centre-add")) }
            }
            @if me.applications.is_empty() { p class="empty" { (ctx.t("centre-empty")) } }
            ul class="cases" {
                @for application in me.applications.iter().rev() { li class="card" { (entry(&ctx, application, nationality)) } }
            }
        },
    ))
}

fn entry(ctx: &Ctx, application: &Application, nationality: &str) -> Markup {
    let title = application.title(ctx.language());
    let title = if title.is_empty() { ctx.t("case-untitled") } else { title.to_owned() };
    let step = application.next_step(nationality, ctx.today());
    html! {
        h2 { (title) }
        p { (stage_tag(ctx, application.stage())) " " @if let Some(number) = &application.number { span class="number" { (number) } } }
        p class="hint" { (ctx.t("case-begun")) " " (day(ctx, domain::calendar::today(application.created_at))) }
        (whose_move(ctx, application))
        div class="actions" {
            @match application.stage() {
                Stage::Draft => {
                    (button_link(&format!("/apply/{}/{}", application.id, step.slug()), &ctx.t("case-go-on")))
                    a href={"/apply/" (application.id)} { (ctx.t("case-steps")) }
                }
                Stage::Submitted => {
                    (button_link(&format!("/apply/{}/payment", application.id), &ctx.t("pay-now")))
                    a href={"/case/" (application.id)} { (ctx.t("case-view")) }
                }
                _ => (button_link(&format!("/case/{}", application.id), &ctx.t("case-view"))),
            }
        }
    }
}

/// `POST /centre/applications`: 增添认证申请办理. The page's own id makes a double click begin one.
pub async fn begin(ctx: Ctx, posted: Posted) -> Answer {
    let me = ctx.me().await?;
    let id = posted.get("id").parse().unwrap_or_else(|_| ApplicationId::fresh());
    let table = ctx.db(|store| store.materials_table()).await?;
    let id = ctx.site().tree.command(me.id, BeginApplication { id, table }).await?;
    Ok(ctx.redirect(&format!("/apply/{id}")))
}
