//! The directions of dependency, over `cargo metadata` (design.md, Layout).

use std::collections::BTreeMap;

use cargo_metadata::{DependencyKind, MetadataCommand};

/// What each crate may use of the workspace.
fn allowed() -> BTreeMap<&'static str, Vec<&'static str>> {
    BTreeMap::from([
        ("supervision", vec![]),
        ("openssl-sys", vec![]),
        ("domain", vec![]),
        ("locales", vec!["domain"]),
        ("proof", vec![]),
        ("sealing", vec![]),
        ("store", vec!["domain", "proof", "sealing"]),
        ("gateways", vec!["domain", "proof"]),
        ("documents", vec!["domain", "proof"]),
        ("sandbox", vec!["domain", "gateways", "proof"]),
        ("actors", vec!["documents", "domain", "gateways", "locales", "proof", "store", "supervision"]),
        (
            "renzheng",
            vec!["actors", "documents", "domain", "gateways", "locales", "proof", "sandbox", "store", "supervision"],
        ),
    ])
}

#[test]
fn dependencies_go_one_way() {
    let metadata = MetadataCommand::new()
        .manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .no_deps()
        .exec()
        .unwrap();
    let allowed = allowed();
    assert_eq!(metadata.packages.len(), allowed.len(), "a crate that the test does not know");
    for package in &metadata.packages {
        let name = package.name.as_str();
        let may = &allowed[name];
        for dependency in package.dependencies.iter().filter(|dependency| dependency.kind == DependencyKind::Normal) {
            let used = dependency.name.as_str();
            if allowed.contains_key(used) {
                assert!(may.contains(&used), "{name} must not know {used}");
            }
            let owner: &[&str] = match used {
                "diesel" | "diesel_migrations" | "libsqlite3-sys" | "pq-sys" => &["store"],
                // The sandbox is a site of its own: one framework for both is better than two.
                "actix-web" | "maud" => &["renzheng", "sandbox"],
                "actix" => &["supervision"],
                "typst" | "typst-pdf" | "typst-layout" | "lopdf" => &["documents"],
                "cms" | "p256" | "ed25519-dalek" | "der" => &["proof"],
                "chacha20poly1305" => &["sealing"],
                "lettre" => &["gateways"],
                _ => continue,
            };
            assert!(owner.contains(&name), "{used} belongs to {owner:?}, not to {name}");
        }
    }
}
