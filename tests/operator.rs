//! Operators over HTTP: the console, its log over a restart, pause and resume, rows set aside, metrics, traces (R7).

use std::collections::BTreeSet;

use chrono::TimeDelta;

use crate::support::client::{GOOD_CARD, Person, Visitor};
use crate::support::server::{Outside, Server, world};

async fn operator(outside: &Outside, server: &Server) -> Visitor {
    // A code is used once in its half minute.
    outside.pass(server, TimeDelta::minutes(1)).await;
    let mut operator = Visitor::new(&server.site);
    operator.staff_at("operator", outside.now()).await;
    operator
}

/// Orders a disorder by the page for it.
async fn order(operator: &mut Visitor, effect: &str, place: &str, times: &str) {
    let fields =
        [("act", "order"), ("effect", effect), ("place", place), ("nth", "1"), ("times", times), ("seconds", "1")];
    operator.get("/operator/chaos").await;
    assert_eq!(operator.post("/operator/chaos", &fields).await.status, 303, "{effect} {place}");
}

async fn act(operator: &mut Visitor, what: &str, on: &str) {
    let asked = operator.get(&format!("/operator/act?what={what}&on={on}")).await;
    assert!(
        asked.body.contains("<form method=\"post\" action=\"/operator/act\">"),
        "{what} {on} asks again: {}",
        asked.body
    );
    let done = operator.post("/operator/act", &[("what", what), ("on", on)]).await;
    assert_eq!(done.status, 303, "{what} {on}");
}

#[actix_web::test]
async fn r7_1_a_crash_names_its_cases_and_the_log_outlives_the_process() {
    let (outside, server) = world();
    let mut visitor = Visitor::new(&server.site);
    let app = visitor.paid(&outside).await;
    let mut console = operator(&outside, &server).await;
    let tree = console.get("/operator").await.body;
    for child in ["payment_reconciler", "notification_dispatcher.sms", "certificate_issuer", "log_keeper"] {
        assert!(tree.contains(child), "{child} is in the tree");
    }
    order(&mut console, "panic", "commit", "1").await;
    let case = app.replace("/apply/", "/staff/case/");
    let mut intake = Visitor::new(&server.site);
    intake.staff_at("intake", outside.now()).await;
    let done = visitor.get(&format!("{app}/done")).await;
    let number = done.body.split("class=\"number\">").nth(1).unwrap().split('<').next().unwrap().to_owned();
    let lost = intake.act(&case, &[("act", "message"), ("message", "请留意")]).await;
    assert_eq!(lost.status, 500, "its commit was hit");
    assert_eq!(
        intake.act(&case, &[("act", "message"), ("message", "请留意")]).await.status,
        303,
        "the next click works"
    );
    let log = console.until("/operator/log?kind=child.crashed", "name=session%2F").await.body;
    assert!(log.contains("session/") && log.contains(&number), "the crash names the case {number}");
    // Filtered by child, by kind and by time; nonsense is told so and shows everything.
    let session = log.split("name=session%2F").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let one = console.until(&format!("/operator/log?child=session%2F{session}"), "<code>child.restarted").await.body;
    assert!(!one.contains("payment_reconciler #"));
    assert!(console.get("/operator/log?from=2040-01-01T00%3A00").await.body.contains("暂无事件"));
    assert_eq!(console.get("/operator/log?from=yesterday&kind=x&after=1.").await.status, 200);
    let child = console.get(&format!("/operator/child?name=session%2F{session}")).await.body;
    assert!(child.contains("child.crashed") && child.contains("act?what=pause"));
    assert!(console.get(&format!("/operator?name={number}")).await.body.contains(&format!("session/{session}")));
    for nobody in ["", "nobody", "session/x", &"x".repeat(500)] {
        assert_eq!(console.get(&format!("/operator/child?name={nobody}")).await.status, 404);
    }
    // The process dies; the log has it still.
    let server = server.restart();
    let mut console = operator(&outside, &server).await;
    let log = console.get("/operator/log?kind=child.crashed").await.body;
    assert!(log.contains(&number), "history survives");
    // Only for operators.
    for page in [
        "",
        "/log",
        "/queues",
        "/letters",
        "/chaos",
        "/child?name=case_clerk",
        "/act?what=pause&on=case_clerk",
        "/live",
    ] {
        assert_eq!(intake.get(&format!("/operator{page}")).await.status, 403, "{page}");
    }
    assert_eq!(intake.post("/operator/act", &[("what", "pause"), ("on", "case_clerk")]).await.status, 403);
}

#[actix_web::test]
async fn r7_2_paused_the_queue_grows_over_a_restart_and_resumed_it_drains() {
    let (outside, server) = world();
    let mut console = operator(&outside, &server).await;
    act(&mut console, "pause", "notification_dispatcher.sms").await;
    let page = console.get("/operator/child?name=notification_dispatcher.sms").await.body;
    assert!(page.contains("已暂停") && page.contains("what=resume") && !page.contains("what=pause"));
    // What does not apply any more says so and does nothing.
    assert!(console.get("/operator/act?what=pause&on=notification_dispatcher.sms").await.body.contains("已不适用"));
    assert_eq!(console.get("/operator/act?what=explode&on=case_clerk").await.status, 404);
    assert_eq!(console.get("/operator/act?what=pause&on=nobody").await.status, 404);
    assert!(console.get("/operator/act?what=pause&on=sampler").await.body.contains("已不适用"), "it holds no rows");
    let person = Person::sample();
    let mut visitor = Visitor::new(&server.site);
    let form = person.form();
    let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert_eq!(visitor.post("/register", &form).await.status, 303);
    console.until("/operator/queues", "待发通知").await;
    assert!(outside.messages_to(&person.phone).is_empty());
    let server = server.restart();
    outside.hear(&server);
    let mut console = operator(&outside, &server).await;
    let page = console.get("/operator/child?name=notification_dispatcher.sms").await.body;
    assert!(page.contains("已暂停"), "it is paused still");
    assert!(outside.messages_to(&person.phone).is_empty(), "nothing was sent meanwhile");
    let waiting = console.get("/operator/queues").await.body;
    let first = waiting.split("待发通知").nth(1).unwrap().split("class=\"number\">").nth(1).unwrap().to_owned();
    assert_ne!(first.split('<').next().unwrap(), "0", "the queue has grown");
    act(&mut console, "resume", "notification_dispatcher.sms").await;
    outside.until(&person.phone, "验证码").await;
    let log = console.until("/operator/log?kind=child.resumed", "操作人").await.body;
    assert!(log.contains("notification_dispatcher.sms"), "it says who did it to whom");
    // Drain and restart of another.
    act(&mut console, "drain", "case_clerk").await;
    console.until("/operator/child?name=case_clerk", "已排空").await;
    act(&mut console, "restart", "case_clerk").await;
    act(&mut console, "resume", "case_clerk").await;
    console.until("/operator/child?name=case_clerk", "<code>child.renewed").await;
    let mut administrator = Visitor::new(&server.site);
    administrator.staff_at("admin", outside.now()).await;
    let audit = administrator.get("/staff/audit").await.body;
    for act in ["machinery-pause", "machinery-resume", "machinery-drain", "machinery-restart"] {
        assert!(audit.contains(act), "{act} is in the audit log");
    }
}

#[actix_web::test]
async fn r7_2_a_row_that_crashes_its_worker_is_set_aside_and_the_rest_goes_on() {
    let (outside, server) = world();
    let mut visitor = Visitor::new(&server.site);
    let app = visitor.apply(&outside, &Person::sample()).await;
    let mut console = operator(&outside, &server).await;
    order(&mut console, "panic", "payment-due", "3").await;
    visitor.pay_with(&app, GOOD_CARD).await;
    let parked = console.until("/operator/queues", "what=retry&amp;on=payment:").await.body;
    let task = parked.split("on=payment:").nth(1).unwrap().split('"').next().unwrap().to_owned();
    assert!(!parked.contains(&format!("what=discard&amp;on=payment:{task}")), "money can't be discarded");
    assert_eq!(console.get(&format!("/operator/act?what=discard&on=payment:{task}")).await.status, 404);
    assert!(console.get("/operator").await.body.contains("已搁置"), "an alarm says so");
    let log = console.until("/operator/log?kind=work.parked", &format!("payment:{task}")).await.body;
    assert!(log.contains("已搁置"), "what became of it");
    // The rest of the queue goes on: somebody else pays.
    let mut other = Visitor::new(&server.site);
    let theirs = other.apply(&outside, &Person::registered()).await;
    other.pay_with(&theirs, GOOD_CARD).await;
    other.until(&format!("{theirs}/payment"), "/done").await;
    act(&mut console, "retry", &format!("payment:{task}")).await;
    visitor.until(&format!("{app}/payment"), "/done").await;
    let log = console.until("/operator/log?kind=work.mended", &format!("payment:{task}")).await.body;
    assert!(log.contains("已恢复"));
    assert_eq!(outside.taken(), 72_000, "both once");
    assert!(console.get("/operator/queues").await.body.contains("没有搁置的任务"));
}

#[actix_web::test]
async fn r7_2_a_notice_that_can_t_be_sent_is_set_aside_and_can_be_discarded() {
    let (outside, server) = world();
    let mut visitor = Visitor::new(&server.site);
    let app = visitor.paid(&outside).await;
    let case = app.replace("/apply/", "/staff/case/");
    let mut console = operator(&outside, &server).await;
    order(&mut console, "panic", "notice-claimed", "6").await;
    let mut intake = Visitor::new(&server.site);
    intake.staff_at("intake", outside.now()).await;
    intake.act(&case, &[("act", "message"), ("message", "请留意")]).await;
    // One by SMS and one by mail; a claimed notice is its claimer's for two minutes, so time goes on until one is parked.
    let mut parked = String::new();
    for _ in 0..200 {
        outside.pass(&server, TimeDelta::minutes(1)).await;
        console = operator(&outside, &server).await;
        parked = console.get("/operator/queues").await.body;
        if parked.contains("what=discard&amp;on=notice:") {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let task = parked.split("what=discard&amp;on=").nth(1).unwrap().split('"').next().unwrap().to_owned();
    act(&mut console, "discard", &task).await;
    assert!(!console.get("/operator/queues").await.body.contains(&format!("on={task}")));
    assert!(console.get(&format!("/operator/act?what=retry&on={task}")).await.body.contains("已不适用"));
}

#[actix_web::test]
async fn r7_3_metrics_have_the_names_that_their_page_lists() {
    let (outside, server) = world();
    let mut visitor = Visitor::new(&server.site);
    visitor.get("/").await;
    let text = visitor.get("/metrics").await.body;
    let told: BTreeSet<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let listed = include_str!("../docs/METRICS.md");
    let listed: BTreeSet<&str> =
        listed.lines().filter_map(|line| line.strip_prefix("| `")?.split(['`', '{']).next()).collect();
    assert_eq!(told, listed);
    assert!(text.contains("renzheng_child_up{child=\"payment_reconciler\"} 1"));
    assert!(text.contains("renzheng_ready 1"));
    // Not for whoever comes through a proxy without the word.
    let through =
        reqwest::Client::new().get(format!("{}/metrics", server.site)).header("X-Forwarded-For", "203.0.113.9");
    assert_eq!(through.send().await.unwrap().status(), 404);
    drop(outside);
}

#[actix_web::test]
async fn r7_3_one_id_follows_a_request_through_messages_and_gateway_calls() {
    let (outside, server) = world();
    let mut visitor = Visitor::new(&server.site);
    let app = visitor.apply(&outside, &Person::sample()).await;
    let reply = reqwest::get(format!("{}/healthz", server.site)).await.unwrap();
    let id = reply.headers().get("x-request-id").unwrap().to_str().unwrap().to_owned();
    assert!(id.len() == 16 && server.log().lines().all(|line| !line.contains("X-Request-Id")));
    visitor.pay_with(&app, GOOD_CARD).await;
    visitor.until(&format!("{app}/payment"), "/done").await;
    // The gateway's notification wakes the reconciler: its question to the gateway belongs to the same trace.
    let of_request = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let request = line["spans"].as_array()?.iter().find(|span| span["name"] == "request")?.clone();
        Some(request["request.id"].as_str()?.to_owned())
    };
    let log = server.log();
    let first = log.lines().find(|line| line.contains("gateway called") && line.contains("unionpay")).unwrap();
    let trace = of_request(first).unwrap();
    let ended = |line: &str| line.contains(&trace) && line.contains("\"answered\"");
    for _ in 0..400 {
        if server.log().lines().any(ended) {
            return;
        }
        actix_web::rt::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    panic!("the request did not end in {trace}");
}

#[actix_web::test]
async fn r7_3_traces_go_to_a_collector_if_one_is_named() {
    let _ = crate::support::server::rustls_provider();
    // A collector: it takes what comes at the address of the protocol.
    let (send, mut receive) = tokio::sync::mpsc::unbounded_channel::<Vec<u8>>();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let collector = format!("http://{}/v1/traces", listener.local_addr().unwrap());
    let take = move || {
        let send = send.clone();
        actix_web::App::new().route(
            "/v1/traces",
            actix_web::web::post().to(move |body: actix_web::web::Bytes| {
                let _ = send.send(body.to_vec());
                async { actix_web::HttpResponse::Ok().finish() }
            }),
        )
    };
    actix_web::rt::spawn(actix_web::HttpServer::new(take).workers(1).disable_signals().listen(listener).unwrap().run());
    let outside = Outside::start();
    let mut server = Server::start_traced(&outside, &collector);
    let reply = reqwest::get(format!("{}/verify/nothing", server.site)).await.unwrap();
    let id = reply.headers().get("x-request-id").unwrap().to_str().unwrap().to_owned();
    // What is left is sent at the end.
    assert_eq!(tokio::task::spawn_blocking(move || server.terminate()).await.unwrap(), Some(0));
    let mut sent = Vec::new();
    while let Ok(batch) = receive.try_recv() {
        sent.extend(batch);
    }
    let has = |words: &str| sent.windows(words.len()).any(|part| part == words.as_bytes());
    assert!(has("renzheng") && has("/verify/{token}") && has(&id), "the request's span is among {} bytes", sent.len());
    assert!(!has("/verify/nothing"), "the route's pattern, not what stands in its place");
}

#[actix_web::test]
async fn r7_2_a_row_that_crashes_the_session_it_is_about_is_set_aside_too() {
    let (outside, server) = world();
    let mut visitor = Visitor::new(&server.site);
    let app = visitor.apply(&outside, &Person::sample()).await;
    let mut console = operator(&outside, &server).await;
    let leaving = visitor.post(&format!("{app}/payment"), &[("act", "pay")]).await;
    order(&mut console, "panic", "commit", "3").await;
    Visitor::play(&leaving, GOOD_CARD).await;
    let parked = console.until("/operator/queues", "what=retry&amp;on=payment:").await.body;
    let task = parked.split("on=payment:").nth(1).unwrap().split('"').next().unwrap().to_owned();
    act(&mut console, "retry", &format!("payment:{task}")).await;
    visitor.until(&format!("{app}/payment"), "/done").await;
    assert_eq!(outside.taken(), 36_000, "once");
    console.until("/operator/queues", "没有搁置的任务").await;
}
