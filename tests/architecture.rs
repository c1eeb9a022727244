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
        ("pictures", vec!["domain"]),
        ("proof", vec![]),
        ("sealing", vec![]),
        ("store", vec!["domain", "proof", "sealing"]),
        ("gateways", vec!["domain", "proof"]),
        ("documents", vec!["domain", "proof"]),
        ("sandbox", vec!["domain", "gateways", "proof"]),
        ("actors", vec!["documents", "domain", "gateways", "locales", "pictures", "proof", "store", "supervision"]),
        (
            "renzheng",
            vec![
                "actors",
                "documents",
                "domain",
                "gateways",
                "locales",
                "pictures",
                "proof",
                "sandbox",
                "store",
                "supervision",
            ],
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
                "fast_image_resize" | "image" | "jpeg-encoder" => &["pictures"],
                _ => continue,
            };
            assert!(owner.contains(&name), "{used} belongs to {owner:?}, not to {name}");
        }
    }
}

/// The package's own sources are not built as tests: one in there would never run.
#[test]
fn tests_of_the_package_are_in_their_folder() {
    let mut folders = vec![std::path::PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))];
    let mut seen = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                assert!(!text.contains("#[test]") && !text.contains("#[cfg(test)]"), "{}", path.display());
                seen += 1;
            }
        }
    }
    assert!(seen > 50, "{seen} files");
}
