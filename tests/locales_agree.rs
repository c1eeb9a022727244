//! Both languages say everything: the same keys, the same variables, and every key that the code asks for.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

fn texts(language: &str) -> BTreeMap<String, BTreeSet<String>> {
    let folder = format!("{}/assets/locales/{language}", env!("CARGO_MANIFEST_DIR"));
    let files = std::fs::read_dir(folder).unwrap();
    let text: String = files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap() + "\n").collect();
    let lines = text.lines().filter(|line| !line.starts_with('#') && line.contains(" = "));
    let pairs: Vec<(String, BTreeSet<String>)> = lines
        .map(|line| {
            let (key, words) = line.split_once(" = ").unwrap();
            let variables =
                words.split('$').skip(1).map(|rest| rest.chars().take_while(char::is_ascii_alphanumeric).collect());
            (key.to_owned(), variables.collect())
        })
        .collect();
    let keys: BTreeMap<_, _> = pairs.iter().cloned().collect();
    for (at, (key, _)) in pairs.iter().enumerate() {
        assert!(!pairs.iter().skip(at + 1).any(|(other, _)| other == key), "{key} stands in two places");
    }
    keys
}

fn sources(folder: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(std::fs::read_to_string(path).unwrap());
        }
    }
}

#[test]
fn both_languages_have_the_same_keys_and_variables() {
    assert_eq!(texts("zh-CN"), texts("en"));
}

#[test]
fn every_literal_key_in_the_code_has_its_text() {
    let known = texts("zh-CN");
    let mut code = Vec::new();
    sources(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")), &mut code);
    for source in &code {
        for call in ["ctx.t(\"", "ctx.with(\"", "ctx.flash(\""] {
            for rest in source.split(call).skip(1) {
                let key = rest.split('"').next().unwrap();
                assert!(known.contains_key(key), "no text for {key}");
            }
        }
    }
}

#[test]
fn every_computed_key_has_its_text() {
    let known = texts("zh-CN");
    let mut wanted = Vec::new();
    for stage in domain::case::Stage::ALL {
        wanted.push(format!("stage-{}", stage.code()));
    }
    for kind in domain::effects::NoticeKind::ALL {
        wanted.push(format!("notice-{}-subject", kind.code()));
        wanted.push(format!("notice-{}-body", kind.code()));
    }
    for step in domain::steps::StepName::ALL {
        wanted.push(format!("step-{}", step.slug()));
    }
    for rule in &domain::material::Table::built_in().rules {
        wanted.push(format!("slot-{}", rule.slot));
        wanted.push(format!("slot-{}-hint", rule.slot));
    }
    wanted.extend(domain::material::CONDITIONS.iter().map(|name| format!("condition-{name}")));
    let groups: [&[domain::form::Field]; 5] = [
        &domain::steps::BASIC,
        &domain::steps::KIND,
        &domain::steps::CREDENTIAL,
        &domain::experience::FIELDS,
        &domain::registration::FIELDS,
    ];
    for field in groups.into_iter().flatten() {
        wanted.push(format!("field-{}", field.name));
        if let domain::form::Kind::Choice(codes) = field.kind {
            let group = if field.name == "study_level" { "level" } else { field.name };
            wanted.extend(codes.iter().map(|code| format!("choice-{group}-{code}")));
        }
    }
    for queue in store::Queue::ALL {
        wanted.push(format!("queue-of-{}", queue.code()));
    }
    for kind in supervision::EventKind::ALL {
        wanted.push(format!("event-kind-{}", kind.name().replace('.', "-")));
    }
    let acts = actors::Act::ALL.map(actors::Act::code);
    for act in acts.into_iter().chain(["retry", "discard", "retry-letter", "discard-letter"]) {
        wanted.extend(["title", "words", "do"].map(|end| format!("steer-{act}-{end}")));
    }
    wanted.extend(domain::case::REASONS.iter().map(|reason| format!("reason-{reason}")));
    for outcome in domain::case::Outcome::ALL {
        wanted.push(format!("outcome-{}", outcome.code()));
    }
    let missing: Vec<_> = wanted.into_iter().filter(|key| !known.contains_key(key)).collect();
    assert_eq!(missing, Vec::<String>::new());
}
