//! One request as pages see it: language, who is logged in, the form token, the nonce.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::{Ready, ready};
use std::rc::Rc;
use std::sync::Arc;

use actix_web::cookie::{Cookie, SameSite, time};
use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{FromRequest, HttpMessage, HttpRequest, HttpResponse, web};
use actors::{Fault, run};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, NaiveDate, Utc};
use domain::applicant::Applicant;
use domain::form::Raw;
use domain::ids::ApplicantId;
use domain::person::Language;
use domain::staff::{Act, Officer};
use locales::Texts;
use store::{Realm, Store, StoreError};

use crate::error::Failure;
use crate::web::site::Site;

/// The headers that pages ask for.
const HEADERS: [&str; 7] =
    ["Accept", "Origin", "Host", "Sec-Fetch-Site", "HX-Request-Type", "X-Forwarded-For", "Authorization"];
/// Passwords that may wait to be hashed: with two at a time, half a second's work.
const HASHING_QUEUE_MOST: usize = 40;
/// For so long after the second factor was given, decisions need not ask for it again.
const CONFIRMED_FOR: chrono::TimeDelta = chrono::TimeDelta::minutes(15);
const LANGUAGE: &str = "rz_language";
const VISIT: &str = "rz_visit";
const APPLICANT: &str = "rz_session";
const STAFF: &str = "rz_staff";
const FLASH: &str = "rz_flash";

/// The request.
#[derive(Clone)]
pub struct Ctx {
    inner: Rc<Inner>,
}

struct Inner {
    site: web::Data<Site>,
    headers: BTreeMap<&'static str, String>,
    received: BTreeMap<&'static str, String>,
    path: String,
    peer: String,
    language: Language,
    visit: String,
    nonce: String,
    cookies: RefCell<Vec<Cookie<'static>>>,
}

fn accepted(request: &HttpRequest) -> Language {
    let wanted = request.headers().get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    let first = wanted.unwrap_or_default().split(',').next().unwrap_or_default().trim().to_ascii_lowercase();
    if first.is_empty() || first.starts_with("zh") { Language::Chinese } else { Language::English }
}

impl Ctx {
    /// The context of a request; made once and kept with it.
    pub fn of(request: &HttpRequest) -> Self {
        if let Some(known) = request.extensions().get::<Self>() {
            return known.clone();
        }
        // The request itself is not kept: it must be unique while it is routed, and it keeps this context.
        let cookie = |name| request.cookie(name).map(|cookie| (name, cookie.value().to_owned()));
        let received: BTreeMap<_, _> =
            [LANGUAGE, VISIT, APPLICANT, STAFF, FLASH].into_iter().filter_map(cookie).collect();
        let chosen = received.get(LANGUAGE).and_then(|tag| Language::from_tag(tag));
        let known = received.get(VISIT).filter(|visit| visit.len() == 64).cloned();
        let fresh = known.is_none();
        let visit = known.unwrap_or_else(store::random_token);
        let mut nonce = store::random_token();
        nonce.truncate(24);
        let site = request.app_data::<web::Data<Site>>().cloned();
        let inner = Inner {
            // Registered for every route by `boot`; without it nothing could be served at all.
            site: site.unwrap_or_else(|| unreachable!("the site is app data of every request")),
            headers: HEADERS
                .iter()
                .filter_map(|name| {
                    // A header may stand on several lines; together they are one list.
                    let lines: Vec<&str> =
                        request.headers().get_all(*name).filter_map(|line| line.to_str().ok()).collect();
                    (!lines.is_empty()).then(|| (*name, lines.join(",")))
                })
                .collect(),
            received,
            path: request.uri().path_and_query().map_or_else(|| "/".into(), ToString::to_string),
            peer: request.peer_addr().map(|address| address.ip().to_string()).unwrap_or_default(),
            language: chosen.unwrap_or_else(|| accepted(request)),
            visit,
            nonce,
            cookies: RefCell::new(Vec::new()),
        };
        let ctx = Self { inner: Rc::new(inner) };
        if fresh {
            ctx.set_cookie(VISIT, &ctx.inner.visit.clone(), None);
        }
        request.extensions_mut().insert(ctx.clone());
        ctx
    }

    /// The same request in another language, from now on.
    pub fn in_language(&self, language: Language) -> Self {
        self.set_cookie(LANGUAGE, language.tag(), Some(365 * 24 * 3_600));
        let old = &self.inner;
        let inner = Inner {
            site: old.site.clone(),
            headers: old.headers.clone(),
            received: old.received.clone(),
            path: old.path.clone(),
            peer: old.peer.clone(),
            language,
            visit: old.visit.clone(),
            nonce: old.nonce.clone(),
            cookies: RefCell::new(old.cookies.borrow().clone()),
        };
        Self { inner: Rc::new(inner) }
    }

    /// The site.
    pub fn site(&self) -> &Site {
        &self.inner.site
    }

    /// The present instant.
    pub fn now(&self) -> DateTime<Utc> {
        self.site().tree.now()
    }

    /// The date in Beijing.
    pub fn today(&self) -> NaiveDate {
        domain::calendar::today(self.now())
    }

    /// The texts of the reader's language.
    pub fn texts(&self) -> Texts {
        Texts::new(self.inner.language)
    }

    /// The reader's language.
    pub fn language(&self) -> Language {
        self.inner.language
    }

    /// A text.
    pub fn t(&self, key: &str) -> String {
        self.texts().get(key)
    }

    /// What a slot for materials is called: by its text, or by the words that staff gave it.
    pub fn slot(&self, slot: &str) -> String {
        let own = || {
            let words = self.site().tree.world.store.slot_words(slot)?;
            Some(if self.language() == Language::Chinese { words.zh } else { words.en })
        };
        self.texts().find(&format!("slot-{slot}")).or_else(own).unwrap_or_else(|| slot.to_owned())
    }

    /// What belongs into a slot.
    pub fn slot_hint(&self, slot: &str) -> String {
        let own = || {
            let words = self.site().tree.world.store.slot_words(slot)?;
            Some(if self.language() == Language::Chinese { words.hint_zh } else { words.hint_en })
        };
        self.texts().find(&format!("slot-{slot}-hint")).or_else(own).unwrap_or_default()
    }

    /// A text with variables.
    pub fn with(&self, key: &str, args: &[(&'static str, &str)]) -> String {
        self.texts().with(key, args)
    }

    /// The path and query of the request.
    pub fn path(&self) -> String {
        self.inner.path.clone()
    }

    /// Where a reader can be sent back to: the address itself, or for one that takes posts alone the page whose form
    /// posts to it.
    pub fn resting_place(&self) -> String {
        let parts: Vec<&str> = self.inner.path.trim_matches('/').split('/').collect();
        match parts.as_slice() {
            ["apply", id, "materials", _] => format!("/apply/{id}/materials"),
            ["apply", id, "phone", _] => format!("/apply/{id}/materials"),
            ["apply", id, "reopen"] => format!("/apply/{id}/payment"),
            ["staff", "search" | "claims" | "confirm"] => "/staff".into(),
            ["staff", "import", ..] => "/staff/import".into(),
            ["staff", kept @ ("programmes" | "students"), id, "retire"] => format!("/staff/{kept}/{id}"),
            ["staff", "people", _] => "/staff/people".into(),
            ["staff", "payment", id, "ask"] => format!("/staff/payment/{id}"),
            ["case", id, "refund", "bank"] => format!("/case/{id}/refund"),
            ["case", id, "supplement", _] => format!("/case/{id}/supplement"),
            ["verify", "file"] => "/verify".into(),
            ["case", id, "share", _] => format!("/case/{id}/share"),
            ["case", id, "review", "images"] => format!("/case/{id}/review/materials"),
            ["account", "password" | "contact" | "logout-everywhere"] => "/account".into(),
            ["register", id, "code" | "edit"] => format!("/register/{id}"),
            ["pay", "return"] => "/payments".into(),
            ["language" | "logout"] => "/".into(),
            _ => self.path(),
        }
    }

    /// The nonce of this response.
    pub fn nonce(&self) -> &str {
        &self.inner.nonce
    }

    /// Whether a stream of events is asked for.
    pub fn is_stream(&self) -> bool {
        self.inner.path.split('?').next().is_some_and(|path| path.ends_with("/live"))
    }

    /// Whether a machine asks, which wants JSON.
    pub fn wants_json(&self) -> bool {
        let accept = self.header("Accept").unwrap_or_default();
        accept.contains("application/json") && !accept.contains("text/html")
    }

    /// Whether htmx asks for a part of a page.
    pub fn is_fragment(&self) -> bool {
        self.header("HX-Request-Type") == Some("partial")
    }

    /// The fragment that a polling page asks for, or 204 when what it knows is still so.
    pub fn poll(&self, known: &str, body: impl FnOnce() -> maud::Markup) -> HttpResponse {
        if self.path().rsplit("known=").next() == Some(known) {
            return self.seal(HttpResponse::NoContent().finish());
        }
        self.seal(HttpResponse::Ok().content_type("text/html; charset=utf-8").body(body().into_string()))
    }

    /// A header of the request, of those in [`HEADERS`].
    pub fn header(&self, name: &str) -> Option<&str> {
        self.inner.headers.get(name).map(String::as_str)
    }

    /// Where the request comes from, for rate limits.
    pub fn network(&self) -> String {
        // The last hop alone is our proxy's word; what stands before it anybody can write.
        let forwarded = self.header("X-Forwarded-For").filter(|_| self.site().behind_proxy);
        let last = forwarded.and_then(|hops| hops.rsplit(',').next()).map(|hop| hop.trim().to_owned());
        last.unwrap_or_else(|| self.inner.peer.clone())
    }

    /// The same for limits: whoever has an IPv6 address has a whole network of them.
    pub fn limited_network(&self) -> String {
        let whole = self.network();
        match whole.parse::<std::net::IpAddr>() {
            Ok(std::net::IpAddr::V6(address)) => {
                let [a, b, c, d, ..] = address.segments();
                format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
            }
            _ => whole,
        }
    }

    /// The same shortened, as others may see it: the last part of an address is left out.
    pub fn network_shortened(&self) -> String {
        let whole = self.network();
        match whole.parse::<std::net::IpAddr>() {
            Ok(std::net::IpAddr::V4(address)) => {
                let [a, b, c, _] = address.octets();
                format!("{a}.{b}.{c}.*")
            }
            Ok(std::net::IpAddr::V6(address)) => {
                let [a, b, c, ..] = address.segments();
                format!("{a:x}:{b:x}:{c:x}:*")
            }
            Err(_) => String::new(),
        }
    }

    /// Whether the request comes from this machine itself.
    pub fn is_local(&self) -> bool {
        self.inner.peer.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    }

    /// The token that a form of this browser must carry.
    pub fn form_token(&self) -> String {
        self.site().tree.world.store.keys().sign("form", &self.inner.visit)
    }

    fn cookie(&self, name: &str) -> Option<String> {
        self.inner.received.get(name).cloned()
    }

    fn set_cookie(&self, name: &'static str, value: &str, seconds: Option<i64>) {
        let mut cookie = Cookie::new(name, value.to_owned());
        cookie.set_path("/");
        cookie.set_http_only(true);
        cookie.set_same_site(SameSite::Lax);
        cookie.set_secure(self.inner.site.secure());
        if let Some(seconds) = seconds {
            cookie.set_max_age(time::Duration::seconds(seconds));
        }
        let mut cookies = self.inner.cookies.borrow_mut();
        cookies.retain(|known| known.name() != name);
        cookies.push(cookie);
    }

    /// Adds the cookies of this request to a response.
    pub fn seal(&self, mut response: HttpResponse) -> HttpResponse {
        for cookie in self.inner.cookies.borrow().iter() {
            if let Err(error) = response.add_cookie(cookie) {
                tracing::error!(%error, "a cookie could not be set");
            }
        }
        response
    }

    /// Goes to another page of ours.
    pub fn redirect(&self, to: &str) -> HttpResponse {
        // What no header can hold leads home.
        let to = if to.chars().any(char::is_control) { "/" } else { to };
        self.seal(HttpResponse::SeeOther().insert_header((header::LOCATION, to)).finish())
    }

    /// A short word on the next page; the key of a text.
    pub fn flash(&self, key: &str) {
        self.set_cookie(FLASH, key, Some(60));
    }

    /// The word for this page, which is then gone.
    pub fn take_flash(&self) -> Option<String> {
        let key = self.cookie(FLASH)?;
        let known = key.starts_with("flash-") && key.len() < 60;
        self.set_cookie(FLASH, "", Some(0));
        known.then_some(key)
    }

    /// Remembers that an applicant logged in.
    pub fn set_session(&self, token: &str) {
        self.set_cookie(APPLICANT, token, Some(Realm::Applicant.ttl().num_seconds()));
    }

    /// Remembers that staff logged in.
    pub fn set_staff(&self, token: &str, realm: Realm) {
        self.set_cookie(STAFF, token, Some(realm.ttl().num_seconds()));
    }

    /// Forgets who was logged in.
    pub fn forget_session(&self) {
        self.set_cookie(APPLICANT, "", Some(0));
    }

    /// Forgets which member of staff was logged in.
    pub fn forget_staff(&self) {
        self.set_cookie(STAFF, "", Some(0));
    }

    /// The applicant's session token.
    pub fn session_token(&self) -> Option<String> {
        self.cookie(APPLICANT).filter(|token| token.len() == 64)
    }

    /// The staff's session token.
    pub fn staff_token(&self) -> Option<String> {
        self.cookie(STAFF).filter(|token| token.len() == 64)
    }

    /// Whether the browser says that an applicant is logged in; pages show other links then.
    pub fn seems_logged_in(&self) -> bool {
        self.session_token().is_some()
    }

    /// Runs `work` on the store, off the arbiter.
    ///
    /// # Errors
    /// What the store says.
    pub async fn db<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Failure> {
        let world = Arc::clone(&self.site().tree.world);
        let blocking = world.rows.clone();
        Ok(run(&blocking, move || work(&world.store)).await?)
    }

    /// Runs password hashing or the like, bounded.
    ///
    /// # Errors
    /// What the work says; `TooMany` when too many wait already.
    pub async fn hashing<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Failure> {
        let blocking = self.site().tree.world.hashing.clone();
        if blocking.waiting() >= HASHING_QUEUE_MOST {
            return Err(Failure::TooMany(60));
        }
        Ok(run(&blocking, work).await?)
    }

    /// Who is logged in, if anybody.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn who(&self) -> Result<Option<ApplicantId>, Failure> {
        let Some(token) = self.session_token() else { return Ok(None) };
        let now = self.now();
        let row = self.db(move |store| store.session(Realm::Applicant, &token, now)).await?;
        Ok(row.and_then(|row| row.holder.parse().ok()))
    }

    /// The logged-in applicant.
    ///
    /// # Errors
    /// `LoginFirst`, which comes back here afterwards.
    pub async fn me(&self) -> Result<Arc<Applicant>, Failure> {
        self.me_keeping(None).await
    }

    /// The logged-in applicant; if there is none any more, what was typed is kept over the log-in.
    ///
    /// # Errors
    /// `LoginFirst`.
    pub async fn me_keeping(&self, typed: Option<&Raw>) -> Result<Arc<Applicant>, Failure> {
        // Log-in and version in one look: the session actor's copy is mostly still true.
        let found = match self.session_token() {
            Some(token) => {
                let now = self.now();
                if let Some(me) = self.site().tree.world.store.recall(&token, now) {
                    return Ok(me);
                }
                self.db(move |store| store.session_and_version(&token, now)).await?
            }
            None => None,
        };
        match found {
            Some((id, version)) => Ok(self.site().tree.applicant_at(id, version).await?),
            None => {
                let kept = typed.and_then(|typed| self.keep(typed));
                Err(Failure::LoginFirst { next: self.resting_place(), kept })
            }
        }
    }

    /// Seals what a browser carries from one page to the next, in its address: nothing is kept here for it, and nobody can
    /// read, change, or use it for another purpose.
    ///
    /// # Errors
    /// When nothing can be sealed.
    pub fn ticket(&self, purpose: &str, content: &[u8]) -> Result<String, Failure> {
        let sealed = self.site().tree.world.store.keys().seal(purpose, content).map_err(|error| self.fault(error))?;
        Ok(URL_SAFE_NO_PAD.encode(sealed))
    }

    /// What is in a ticket of ours for this purpose.
    pub fn open_ticket(&self, purpose: &str, ticket: &str) -> Option<Vec<u8>> {
        let sealed = URL_SAFE_NO_PAD.decode(ticket).ok()?;
        self.site().tree.world.store.keys().open(purpose, &sealed).ok()
    }

    /// Seals what was typed, to be carried through the log-in page.
    fn keep(&self, typed: &Raw) -> Option<String> {
        let json = serde_json::to_vec(&(self.path(), typed)).ok()?;
        self.ticket("kept-form", &json).ok()
    }

    /// Opens what was kept: the path and what was typed there.
    pub fn kept(&self, sealed: &str) -> Option<(String, Raw)> {
        serde_json::from_slice(&self.open_ticket("kept-form", sealed)?).ok()
    }

    /// The logged-in member of staff, if the roles include `act`.
    ///
    /// # Errors
    /// `StaffLoginFirst`; `NotAllowed`, which is noted in the audit log.
    pub async fn officer(&self, act: Act) -> Result<Officer, Failure> {
        let Some(token) = self.staff_token() else { return Err(Failure::StaffLoginFirst) };
        let now = self.now();
        let found = self
            .db(move |store| match store.session(Realm::Staff, &token, now)? {
                Some(row) => store.staff(&row.holder).map(|secret| Some(secret.officer)),
                None => Ok(None),
            })
            .await?;
        let Some(officer) = found else { return Err(Failure::StaffLoginFirst) };
        if officer.may(act) {
            return Ok(officer);
        }
        let entry = domain::effects::AuditEntry {
            by: domain::effects::Actor::Staff(officer.id),
            act: "refused",
            subject: format!("act:{act:?}"),
        };
        self.db(move |store| store.note(&entry, now)).await?;
        Err(Failure::Rejected(domain::Rejection::NotAllowed))
    }

    /// The same for a form: what was typed is kept over a log-in that has become necessary.
    ///
    /// # Errors
    /// `StaffLoginKept`; as [`Ctx::officer`].
    pub async fn officer_keeping(&self, act: Act, typed: &Raw) -> Result<Officer, Failure> {
        match self.officer(act).await {
            Err(Failure::StaffLoginFirst) => Err(match self.keep(typed) {
                Some(kept) => Failure::StaffLoginKept(kept),
                None => Failure::StaffLoginFirst,
            }),
            answer => answer,
        }
    }

    /// That the second factor was given lately: before a decision it is asked for again (R6.1); what was to be done is
    /// kept meanwhile.
    ///
    /// # Errors
    /// `ConfirmFirst`.
    pub async fn confirmed(&self, typed: &Raw) -> Result<(), Failure> {
        let Some(token) = self.staff_token() else { return Err(Failure::StaffLoginFirst) };
        let now = self.now();
        let row = self.db(move |store| store.session(Realm::Staff, &token, now)).await?;
        let Some(row) = row else { return Err(Failure::StaffLoginFirst) };
        if now - row.confirmed <= CONFIRMED_FOR {
            return Ok(());
        }
        Err(Failure::ConfirmFirst(self.keep(typed).unwrap_or_default()))
    }

    /// A fault that this request met.
    pub fn fault(&self, what: impl std::fmt::Display) -> Failure {
        Failure::Fault(Fault::new(what))
    }
}

impl FromRequest for Ctx {
    type Error = actix_web::Error;
    type Future = Ready<Result<Self, actix_web::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self::of(request)))
    }
}
