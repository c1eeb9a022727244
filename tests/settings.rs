//! Settings: unknown keys, demo secrets and taken ports are told in plain words.

use std::process::Command;

use crate::support::server::Outside;

fn serve(config: &str) -> String {
    let folder = tempfile::TempDir::new().unwrap();
    let file = folder.path().join("renzheng.toml");
    std::fs::write(&file, config).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_renzheng")).args(["serve", "--config"]).arg(&file).output().unwrap();
    assert!(!output.status.success());
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn serve_refuses_unknown_keys_and_demo_secrets() {
    let example = include_str!("../docs/renzheng.example.toml");
    let unknown = serve(&format!("favourite_colour = \"blue\"\n{example}"));
    assert!(unknown.contains("favourite_colour"), "{unknown}");
    let secret = serve(&example.replace("64 hexadecimal digits of your own", renzheng::demo::MASTER_KEY));
    assert!(secret.contains("master_key") && secret.contains("demo"), "{secret}");
    let secret = serve(&example.replace("its secret", sandbox::SMS_KEY_SECRET));
    assert!(secret.contains("sms.key_secret"), "{secret}");
    let missing = serve("");
    assert!(missing.contains("missing field"), "{missing}");
}

#[test]
fn a_taken_port_is_told_with_its_setting() {
    let outside = Outside::start();
    let folder = tempfile::TempDir::new().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_renzheng"))
        .args(["--port", &outside.http.to_string(), "--data"])
        .arg(folder.path())
        .output()
        .unwrap();
    assert!(!output.status.success());
    let words = String::from_utf8(output.stderr).unwrap();
    assert!(words.contains("is taken") && words.contains("--port"), "{words}");
}
