//! The frame of every page: where am I, what is next.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::ContentType;
use domain::person::Language;
use maud::{DOCTYPE, Markup, html};

use crate::web::assets;
use crate::web::ctx::Ctx;
use crate::web::posted::TOKEN;

/// Whose page it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Public,
    Staff,
}

/// A page before its body.
pub struct Page {
    title: String,
    status: StatusCode,
    side: Side,
    form: bool,
    wide: bool,
    submits: bool,
    once: bool,
    live: bool,
}

impl Page {
    /// A page with this title.
    pub fn new(title: impl Into<String>) -> Self {
        let title = title.into();
        Self {
            title,
            status: StatusCode::OK,
            side: Side::Public,
            form: false,
            wide: false,
            submits: false,
            once: false,
            live: false,
        }
    }

    /// With another status.
    #[must_use]
    pub fn status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// For staff.
    #[must_use]
    pub fn staff(mut self) -> Self {
        self.side = Side::Staff;
        self.wide = true;
        self
    }

    /// It has a form with id `main`: switching the language submits it, so that nothing typed is lost.
    #[must_use]
    pub fn with_form(mut self) -> Self {
        self.form = true;
        self
    }

    /// What stands on it is shown once, or is on its way: it has no switch of the language, which would leave it.
    #[must_use]
    pub fn once(mut self) -> Self {
        self.once = true;
        self
    }

    /// Its form marked `data-auto` is sent at once where there are scripts.
    #[must_use]
    pub fn submits_itself(mut self) -> Self {
        self.submits = true;
        self
    }

    /// It has a place that a stream of events fills.
    #[must_use]
    pub fn live(mut self) -> Self {
        self.live = true;
        self
    }

    /// The response.
    pub fn show(self, ctx: &Ctx, body: Markup) -> HttpResponse {
        let markup = self.frame(ctx, &body);
        ctx.seal(HttpResponse::build(self.status).content_type(ContentType::html()).body(markup.into_string()))
    }

    fn frame(&self, ctx: &Ctx, body: &Markup) -> Markup {
        let failed = self.status == StatusCode::UNPROCESSABLE_ENTITY;
        let prefix = if failed { ctx.t("error-title") } else { String::new() };
        html! {
            (DOCTYPE)
            html lang=(ctx.language().tag()) {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (prefix) (self.title) " - " (ctx.t("site-name")) }
                    link rel="stylesheet" href=(assets::url("css/main.css"));
                    link rel="icon" href=(assets::url("icons/mark.svg")) type="image/svg+xml";
                    // On every page, so that the steps that need them find them in the cache.
                    meta name="htmx-config" content=(if self.live { r#"{"extensions":"hx-csp,sse","includeIndicatorCSS":false}"# } else { r#"{"extensions":"hx-csp","includeIndicatorCSS":false}"# });
                    script src=(assets::url("vendor/htmx-4.0.1.min.js")) nonce=(ctx.nonce()) {}
                    script src=(assets::url("vendor/hx-csp-4.0.1.min.js")) nonce=(ctx.nonce()) {}
                    @if self.live { script src=(assets::url("vendor/hx-sse-4.0.1.min.js")) nonce=(ctx.nonce()) {} }
                    @if self.submits { script src=(assets::url("js/submit.js")) nonce=(ctx.nonce()) defer {} }
                }
                body class=(if self.side == Side::Staff { "staff" } else { "public" }) {
                    a class="skip" href="#content" { (ctx.t("skip")) }
                    (self.header(ctx))
                    main id="content" class=(if self.wide { "wide" } else { "" }) tabindex="-1" {
                        @if let Some(flash) = ctx.take_flash() { p class="flash" role="status" { (ctx.t(&flash)) } }
                        (body)
                    }
                    (footer(ctx))
                }
            }
        }
    }

    fn header(&self, ctx: &Ctx) -> Markup {
        html! {
            header class="top" {
                div class="bar" {
                    a class="brand" href=(if self.side == Side::Staff { "/staff" } else { "/" }) {
                        svg class="mark" viewBox="0 0 32 32" aria-hidden="true" focusable="false" {
                            rect x="1.5" y="1.5" width="29" height="29" rx="3" fill="none" stroke="currentColor" stroke-width="2" {}
                            path d="M8 17l5.5 5.5L24.5 10.5" fill="none" stroke="currentColor" stroke-width="3" {}
                        }
                        span { (ctx.t("site-name")) }
                    }
                    nav aria-label=(ctx.t("nav-label")) {
                        @match self.side {
                            Side::Staff => {
                                @if ctx.staff_token().is_some() {
                                    a href="/staff" { (ctx.t("nav-queue")) }
                                    a href="/staff/me" { (ctx.t("me-title")) }
                                    form method="post" action="/staff/logout" { (token(ctx)) button class="link" { (ctx.t("nav-logout")) } }
                                }
                            }
                            Side::Public => {
                                a href="/verify" { (ctx.t("nav-verify")) }
                                @if ctx.seems_logged_in() {
                                    a href="/centre" { (ctx.t("nav-centre")) }
                                    form method="post" action="/logout" { (token(ctx)) button class="link" { (ctx.t("nav-logout")) } }
                                } @else {
                                    a href="/register" { (ctx.t("nav-register")) }
                                    a href="/login" { (ctx.t("nav-login")) }
                                }
                            }
                        }
                        @if !self.once { (self.languages(ctx)) }
                    }
                }
            }
        }
    }

    fn languages(&self, ctx: &Ctx) -> Markup {
        let (other, name) = match ctx.language() {
            Language::Chinese => (Language::English, "English"),
            Language::English => (Language::Chinese, "中文"),
        };
        html! {
            @if self.form {
                button class="link" form="main" name="switch_language" value=(other.tag()) lang=(other.tag()) formnovalidate { (name) }
            } @else {
                form method="post" action="/language" {
                    (token(ctx))
                    input type="hidden" name="back" value=(ctx.resting_place());
                    button class="link" name="language" value=(other.tag()) lang=(other.tag()) { (name) }
                }
            }
        }
    }
}

/// The hidden field that says: this form is of this browser.
pub fn token(ctx: &Ctx) -> Markup {
    html! { input type="hidden" name=(TOKEN) value=(ctx.form_token()); }
}

fn footer(ctx: &Ctx) -> Markup {
    html! {
        footer {
            div class="bar" {
                p { (ctx.t("footer-words")) }
                ul {
                    li { a href="/terms" { (ctx.t("terms-title")) } }
                    li { a href="/privacy" { (ctx.t("privacy-title")) } }
                    li { a href="/verify" { (ctx.t("nav-verify")) } }
                    @if let Some(sandbox) = &ctx.site().sandbox {
                        li { a href={(sandbox) "/inbox"} { (ctx.t("footer-sandbox")) } }
                        li { a href="/staff" { (ctx.t("footer-staff")) } }
                    }
                }
            }
        }
    }
}
