//! A copy taken while the service works, lived from elsewhere; one that was touched is refused (R7.3).

use std::path::Path;
use std::process::{Command, Output};

use crate::support::client::{Person, Visitor};
use crate::support::server::{Server, world};

fn renzheng(data: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_renzheng")).arg("--data").arg(data).args(arguments).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[actix_web::test]
async fn r7_3_a_copy_taken_under_way_is_lived_from_elsewhere() {
    let (outside, server) = world();
    let mut visitor = Visitor::new(&server.site);
    let app = visitor.paid(&outside).await;
    let place = tempfile::tempdir().unwrap();
    let copy = place.path().join("copy");
    let to = copy.to_string_lossy().into_owned();
    let taken = renzheng(server.data.path(), &["backup", "--to", &to]);
    assert!(taken.status.success(), "{}", said(&taken));
    assert!(said(&taken).contains("1 applicants"));
    assert!(!renzheng(server.data.path(), &["backup", "--to", &to]).status.success(), "never over another copy");
    // The service was not disturbed.
    visitor.get("/centre").await;
    let elsewhere = tempfile::tempdir().unwrap();
    let restored = renzheng(elsewhere.path(), &["restore", "--from", &to]);
    assert!(restored.status.success(), "{}", said(&restored));
    assert!(!renzheng(elsewhere.path(), &["restore", "--from", &to]).status.success(), "only into an empty place");
    let twin = Server::start_on(&outside, elsewhere, None);
    let mut again = Visitor::new(&twin.site);
    again.login(&Person::sample()).await;
    let case = app.replace("/apply/", "/case/");
    assert_eq!(again.get(&case).await.status, 200);
    drop(twin);
    // A bit that was changed, a file that is missing, a folder that is none.
    let fresh = || tempfile::tempdir().unwrap();
    let blob = walk(&copy.join("blobs"));
    let content = std::fs::read(&blob).unwrap();
    let mut touched = content.clone();
    touched[40] ^= 1;
    std::fs::write(&blob, &touched).unwrap();
    assert!(said(&renzheng(fresh().path(), &["restore", "--from", &to])).contains("is not what was copied"));
    std::fs::remove_file(&blob).unwrap();
    assert!(said(&renzheng(fresh().path(), &["restore", "--from", &to])).contains("is missing"));
    std::fs::write(&blob, &content).unwrap();
    assert!(renzheng(fresh().path(), &["restore", "--from", &to]).status.success());
    assert!(said(&renzheng(fresh().path(), &["restore", "--from", "/nowhere"])).contains("is no copy"));
}

fn walk(folder: &Path) -> std::path::PathBuf {
    let first =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).find(|path| path.is_dir()).unwrap();
    std::fs::read_dir(first).unwrap().next().unwrap().unwrap().path()
}

#[actix_web::test]
async fn r2_15_operators_are_told_where_receipts_go() {
    let (_outside, server) = world();
    let told = said(&renzheng(server.data.path(), &["hooks"]));
    let key = crate::support::server::hook_key();
    assert!(told.contains(&format!("/notices/{key}/receipts")) && told.contains(&format!("/notices/{key}/bounces")));
}
